package s3

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/minio/minio-go/v7"

	"footfall/storage/objstore"
)

// transport sees the answers before minio-go, which keeps neither the clock of the store nor how long it asks us to wait.
type transport struct {
	base http.RoundTripper
	skew *atomic.Int64
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, &lost{err}
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		t.skew.Store(int64(time.Since(date)))
	}
	if !passing(resp.StatusCode) {
		if resp.StatusCode == http.StatusOK && r.URL.Query().Has("retention") {
			return renamed(resp)
		}
		return resp, nil
	}
	defer resp.Body.Close()
	answer := &busy{status: resp.StatusCode, after: retryAfter(resp.Header.Get("Retry-After"))}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	xml.Unmarshal(text, &answer.said) // what is no XML says nothing
	return nil, answer
}

// renamed gives the answer that says until when an object is locked the name that S3 has for it: versitygw 1.8 has another.
func renamed(resp *http.Response) (*http.Response, error) {
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, &lost{err}
	}
	text = bytes.ReplaceAll(text, []byte("ObjectLockRetention"), []byte("Retention"))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return resp, nil
}

// passing reports whether an answer speaks of the state of the store and not of the request.
func passing(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests, 499:
		return true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return false
	}
	return status >= 500
}

// retryAfter reads seconds or a date; 0 is neither.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// busy is an answer that asks for patience.
type busy struct {
	status int
	after  time.Duration
	said   struct{ Code, Message string }
}

func (e *busy) Error() string {
	return answered(e.status, e.said.Code, e.said.Message)
}

// lost means that no answer came, or not all of it.
type lost struct{ err error }

func (e *lost) Unwrap() error { return e.err }

// Error avoids the letters EOF, at which minio-go would replace the error by one of its own.
func (e *lost) Error() string {
	if errors.Is(e.err, io.EOF) || errors.Is(e.err, io.ErrUnexpectedEOF) {
		return "the connection broke off"
	}
	return strings.ReplaceAll(e.err.Error(), "EOF", "end of data")
}

func answered(status int, code, message string) string {
	text := "the store answered"
	if status != 0 {
		text += fmt.Sprintf(" %d", status)
	}
	if code != "" && code != fmt.Sprint(status) {
		text += " " + code
	}
	message = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, message)
	if len(message) > maxSaid {
		message = strings.ToValidUTF8(message[:maxSaid], "") + "…"
	}
	if message = strings.TrimRight(message, ". "); message != "" {
		text += ": " + message
	}
	return text
}

// taken reports whether the store refused to create an object because there is one.
func taken(err error) bool {
	said := minio.ToErrorResponse(err)
	return said.StatusCode == http.StatusPreconditionFailed || said.Code == minio.PreconditionFailed
}

// unknown reports whether the store does not know what it was asked to do.
func unknown(err error) bool {
	said := minio.ToErrorResponse(err)
	return said.StatusCode == http.StatusNotImplemented || said.Code == minio.NotImplemented
}

// temporaryCodes come with statuses that say otherwise: damaged on the way, or cut off by the store.
var temporaryCodes = map[string]bool{
	"RequestTimeout": true, "OperationAborted": true, "ConditionalRequestConflict": true, "InternalError": true, "SlowDown": true, "ServiceUnavailable": true,
	"Throttling": true, "ThrottlingException": true, "RequestLimitExceeded": true, "RequestThrottled": true, "TooManyRequests": true,
	minio.BadDigest: true, minio.IncompleteBody: true, minio.XAmzContentSHA256Mismatch: true,
}

// advice for those who are refused, by code.
var advice = map[string]string{
	minio.InvalidAccessKeyID:    "the store does not know this access key: check it, and that it belongs to this endpoint",
	minio.SignatureDoesNotMatch: "the secret does not belong to the access key: check both, and the region",
	minio.AccessDenied:          "let these credentials read, write, list and delete below the prefix in this bucket",
	"ExpiredToken":              "renew the credentials: a credentials file is read again when it changes",
	"InvalidToken":              "renew the session token",
	"TokenRefreshRequired":      "renew the session token",
	"NoSuchBucket":              "make the bucket, or check its name, the endpoint and the region",
	minio.AllAccessDisabled:     "ask who runs the store: all access to the bucket is disabled",
}

// failed says of an error of minio-go what a caller can do. It returns nil for nil, and the end of the caller's own context as it is.
func (b *Bucket) failed(ctx context.Context, op, name string, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	var already *objstore.Error
	if errors.As(err, &already) {
		return err
	}
	e := &objstore.Error{Op: op, Name: name, Kind: objstore.ErrTemporary}
	var (
		wait *busy
		key  *credentialsError
	)
	said := minio.ToErrorResponse(err)
	switch {
	case errors.As(err, &wait):
		e.Err, e.After = wait, wait.after
	case errors.As(err, &key):
		e.Kind, e.Err = objstore.ErrDenied, key
	case said.Code != "" || said.StatusCode != 0:
		b.judge(e, said)
	case errors.Is(err, errDisorder):
		e.Kind, e.Err, e.Advice = objstore.ErrRefused, err, "use another store, or a newer version of it"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errStalled):
		e.Err, e.Advice = errors.New("no answer in time"), "look whether the store can be reached at "+b.core.EndpointURL().Host
	default:
		b.unreached(e, err)
	}
	if e.Err != nil {
		if text := e.Err.Error(); text != b.source.hide(text) {
			e.Err = errors.New(b.source.hide(text))
		}
	}
	if errors.Is(e, objstore.ErrDenied) {
		b.keys.Expire() // who renewed them may have done so within one tick of the file system's clock
	}
	return e
}

// judge reads an answer.
func (b *Bucket) judge(e *objstore.Error, said minio.ErrorResponse) {
	e.Err, e.Advice = errors.New(answered(said.StatusCode, said.Code, said.Message)), advice[said.Code]
	switch {
	case said.Code == "NoSuchKey" || said.Code == minio.NoSuchVersion:
		e.Kind, e.Err = objstore.ErrNotFound, nil
	case said.Code == minio.InvalidRange || said.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		e.Kind, e.Err = objstore.ErrShort, nil
	case temporaryCodes[said.Code]:
	case said.Code == minio.RequestTimeTooSkewed:
		e.Kind, e.Advice = objstore.ErrDenied, b.clocks()
	case said.Code == minio.AuthorizationHeaderMalformed || said.Code == minio.InvalidRegion || said.Code == "PermanentRedirect" || said.StatusCode/100 == 3:
		e.Kind, e.Advice = objstore.ErrRefused, "the bucket is in another region: give the region, and the endpoint that belongs to it"
		if said.Region != "" {
			e.Advice = fmt.Sprintf("the bucket is in the region %s: give that", said.Region)
		}
	case said.Code == "NoSuchBucket":
		e.Kind = objstore.ErrRefused
	case said.StatusCode == http.StatusForbidden || said.StatusCode == http.StatusUnauthorized || advice[said.Code] != "":
		e.Kind = objstore.ErrDenied
		if e.Advice == "" {
			e.Advice = advice[minio.AccessDenied]
		}
	default:
		e.Kind = objstore.ErrRefused
	}
}

// clocks says by how much the store's clock and ours differ.
func (b *Bucket) clocks() string {
	skew := time.Duration(b.skew.Load()).Round(time.Second)
	switch {
	case skew > skewNamed:
		return fmt.Sprintf("the clock of this machine is %s ahead of the store's: set it right, best by NTP", skew)
	case skew < -skewNamed:
		return fmt.Sprintf("the clock of this machine is %s behind the store's: set it right, best by NTP", -skew)
	}
	return "the clock of this machine is wrong, or the request was on its way for too long"
}

// unreached is for errors that are no answer.
func (b *Bucket) unreached(e *objstore.Error, err error) {
	var with *url.Error
	if errors.As(err, &with) {
		err = with.Err // without the address, which names the object again
	}
	host := b.core.EndpointURL().Host
	e.Err = err
	var (
		authority x509.UnknownAuthorityError
		wrongHost x509.HostnameError
		record    tls.RecordHeaderError
		resolve   *net.DNSError
	)
	switch {
	case errors.As(err, &authority):
		e.Kind, e.Advice = objstore.ErrRefused, "nobody known has signed the certificate of "+host+": give the certificate of the authority that did (CA file)"
	case errors.As(err, &wrongHost):
		e.Kind, e.Advice = objstore.ErrRefused, "check the endpoint "+host+", or use path-style addresses"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		e.Kind, e.Advice = objstore.ErrRefused, host+" does not speak TLS: check the endpoint, or write http:// in front of it"
	case errors.As(err, &resolve) && resolve.IsNotFound:
		e.Advice = "check the endpoint " + host
	}
}
