package storage

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strconv"

	"footfall/storage/account"
	"footfall/storage/schema"
)

// IgnoreParam is the parameter of a page's URL by which a browser asks a site not to count it. Its value is a token:
//
//	offset  size  what, in base64 for URLs without padding
//	     0     1  version: 1
//	     1    16  first half of HMAC-SHA256(purpose key "ignored device", version (1) | site (4) | number of the link (8)), big-endian
//
// So it is good for one site, for everybody who has the link, until there is a new link or a new master key. Nothing is stored for it but the number of
// the link, which is a rule of the site: account.RuleDevice.
const IgnoreParam = "footfall_ignore"

const ignoreVersion = 1

// IgnoreToken returns the token of the site's link. Errors: ErrNoSite.
func (s *Store) IgnoreToken(site schema.Site) (string, error) {
	if _, ok := s.book.Site(site); !ok {
		return "", ErrNoSite
	}
	return s.ignoreToken(site), nil
}

func (s *Store) ignoreToken(site schema.Site) string {
	number, _ := strconv.ParseUint(s.book.Rules(site).One(account.RuleDevice).Value, 10, 32)
	message := binary.BigEndian.AppendUint32([]byte{ignoreVersion}, uint32(site))
	message = binary.BigEndian.AppendUint64(message, number)
	key := s.vault.PurposeKey("ignored device")
	mac := hmac.New(sha256.New, key[:])
	mac.Write(message)
	return base64.RawURLEncoding.EncodeToString(mac.Sum([]byte{ignoreVersion})[:17])
}

// IsIgnoreToken reports whether a token is that of the site's link. It takes some microseconds.
func (s *Store) IsIgnoreToken(site schema.Site, token string) bool {
	return hmac.Equal([]byte(token), []byte(s.ignoreToken(site)))
}

// NewIgnoreLink makes the links of a site that were given out work no more, and another one instead, whose token it returns. r says who did that and
// when. Errors are those of account.Book.AddRule.
func (s *Store) NewIgnoreLink(ctx context.Context, r account.Rule) (string, error) {
	old := s.book.Rules(r.Site).One(account.RuleDevice)
	number, _ := strconv.ParseUint(old.Value, 10, 32)
	r.Kind, r.Value, r.Mode, r.Note = account.RuleDevice, strconv.FormatUint(number+1, 10), old.Mode, old.Note
	if _, err := s.book.AddRule(ctx, r); err != nil {
		return "", err
	}
	return s.IgnoreToken(r.Site)
}
