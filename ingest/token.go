package ingest

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"footfall/ingest/visitor"
	"footfall/storage/account"
)

// errToken says that a token came with a request that opens nothing here.
var errToken = errors.New("wrong sending token")

// vouch looks at the Authorization of a request. Whoever presents a sending token is believed as a trusted proxy is, so that X-Forwarded-For names the visitor.
// One of the scope send is a program of the operator that tells of visitors: it is no robot whatever its User-Agent says. One of the scope proxy passes on
// what browsers send, and robots among them. A wrong token is an error: nobody would notice events that are counted otherwise than they were meant. Other schemes
// are none of ours; browsers send them along to a site that asks for a password.
func (h *Handler) vouch(ctx context.Context, from *sender, peer netip.Addr, header http.Header) error {
	scheme, text, _ := strings.Cut(header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	if h.book == nil {
		return errToken
	}
	// A use that could not be recorded is told by what is wrong with the disk, which events tell too.
	token, ok, _ := h.book.UseToken(ctx, strings.TrimSpace(text), h.clock.now())
	if !ok || token.Scope != account.ScopeSend && token.Scope != account.ScopeProxy {
		return errToken
	}
	holder := from.addr
	from.addr = visitor.ClientAddr(peer, header["X-Forwarded-For"], func(a netip.Addr) bool {
		return a == holder || h.trusted != nil && h.trusted(a)
	})
	from.vouched, from.program = true, token.Scope == account.ScopeSend
	from.alone = from.program && from.addr == holder
	return nil
}
