package ingest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"footfall/ingest/agent"
	"footfall/ingest/shield"
	"footfall/ingest/visitor"
	"footfall/ingest/wire"
	"footfall/storage"
)

// sender is what is known of who sent a request. It dies with the request.
type sender struct {
	addr      netip.Addr
	peer      netip.Addr // at the other end of the connection
	forwarded bool       // there was an X-Forwarded-For
	userAgent string
	languages string // Accept-Language
	vouched   bool   // a token says that it is believed whom it names, see vouch
	program   bool   // likewise, and that it made the event itself
	alone     bool   // likewise, but it names no visitor's address
	ignored   bool   // a site was asked not to count this browser

	parsed bool
	known  agent.Agent
}

func (s *sender) agent(h *Handler) agent.Agent {
	if !s.parsed {
		s.known, s.parsed = h.agents.Parse(s.userAgent), true
		if s.program {
			s.known.Bot = ""
		}
	}
	return s.known
}

// sender returns who sent r, or errToken.
func (h *Handler) sender(r *http.Request) (from sender, err error) {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // what is no address, such as a socket's, stays invalid and untrusted
	from = sender{
		addr:      visitor.ClientAddr(peer.Addr(), r.Header["X-Forwarded-For"], h.trusted),
		peer:      peer.Addr(),
		forwarded: len(r.Header["X-Forwarded-For"]) > 0,
		userAgent: r.UserAgent(),
		languages: r.Header.Get("Accept-Language"),
	}
	if r.Header["Authorization"] != nil {
		err = h.vouch(r.Context(), &from, peer.Addr(), r.Header)
	}
	return from, err
}

// event answers POST /api/event: 202 once every event that counts is on disk.
func (h *Handler) event(w http.ResponseWriter, r *http.Request) {
	from, err := h.sender(r)
	if err != nil {
		h.refuse(w, err)
		return
	}
	if r.Header.Get("X-Debug-Request") == "true" {
		w.Header()["Content-Type"] = plainText
		io.WriteString(w, from.addr.String())
		return
	}
	hit, err := h.decode(w, r, wire.Decode)
	if err != nil {
		h.refuse(w, err)
		return
	}
	dropped, err := h.countAll(r.Context(), &hit, &from)
	if err != nil {
		h.refuse(w, err)
		return
	}
	header := w.Header()
	header["Content-Type"] = plainText
	tellDropped(header, dropped)
	tellIgnored(header, &from)
	w.WriteHeader(http.StatusAccepted)
	w.Write(okBody)
}

// countAll counts a hit for all of its sites and returns when that is on disk. dropped is how many of them did not count it. An error says
// that no site did and that the hit may be sent again; where one did, whoever sent it again would be counted twice there, so that the sites
// that could not take it are among those dropped.
func (h *Handler) countAll(ctx context.Context, hit *wire.Hit, from *sender) (dropped int, err error) {
	var (
		waiting [4]storage.Commit // more than one site a request is rare
		placed  = waiting[:0]
		failed  error
		told    bool // something of the sender's address, whether it counts or not
	)
	for _, domain := range hit.Domains {
		p, reason, err := h.count(hit, from, domain)
		told = told || err == nil && tellsAddress(reason)
		switch {
		case err != nil:
			failed = err
		case reason != "":
			dropped++
			from.ignored = from.ignored || reason == shield.IgnoredDevice
		default:
			placed = append(placed, p)
		}
	}
	stored := 0
	for _, p := range placed {
		if err := p.Wait(ctx); err != nil {
			failed = err
			continue
		}
		stored++
	}
	h.counters.accepted.Add(int64(stored))
	if told {
		h.note(from, hit.Event.Hostname)
	}
	switch {
	case failed == nil:
		return dropped, nil
	case stored == 0:
		return 0, failed
	}
	h.refusal(failed) // which is counted and logged
	return len(hit.Domains) - stored, nil
}

// tellDropped tells how many of its sites did not count an event.
func tellDropped(header http.Header, dropped int) {
	if dropped > 0 {
		header.Set("X-Plausible-Dropped", strconv.Itoa(dropped))
	}
}

var (
	errTooLarge = errors.New("body too large")
	errNoRoom   = errors.New("too many large bodies at once")
	// errTransport stands for every error of reading a body: their own texts name the client's address.
	errTransport = errors.New("body could not be read")
	errEncoded   = errors.New("body is compressed")
)

// decode reads the body and hands it to read. Nothing of the hit shares memory with the buffer.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request, read func(contentType string, body []byte) (wire.Hit, error)) (wire.Hit, error) {
	if r.ContentLength > wire.MaxBody {
		return wire.Hit{}, errTooLarge
	}
	buffer := h.bodies.Get().(*[]byte)
	body, isLarge, err := h.read(http.MaxBytesReader(w, r.Body, wire.MaxBody), (*buffer)[:0])
	defer func() {
		if isLarge {
			<-h.large
			return
		}
		*buffer = body
		h.bodies.Put(buffer)
	}()
	if err != nil {
		return wire.Hit{}, err
	}
	hit, err := read(r.Header.Get("Content-Type"), body)
	if err != nil && isEncoded(r) {
		err = errEncoded
	}
	return hit, err
}

// isEncoded reports whether a body is said to be compressed or the like. Nobody asks before it could not be read.
func isEncoded(r *http.Request) bool {
	encoding := r.Header.Get("Content-Encoding")
	return encoding != "" && !strings.EqualFold(encoding, "identity")
}

// read appends all of body to b. One that grows beyond largeBody takes a place in h.large, which the caller gives back.
func (h *Handler) read(body io.Reader, b []byte) (all []byte, isLarge bool, err error) {
	for {
		if len(b) == cap(b) {
			if cap(b) >= largeBody && !isLarge {
				select {
				case h.large <- struct{}{}:
					isLarge = true
				default:
					return b, false, errNoRoom
				}
			}
			b = append(make([]byte, 0, 2*cap(b)), b...)
		}
		n, err := body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		var tooLarge *http.MaxBytesError
		switch {
		case err == nil:
		case err == io.EOF:
			return b, isLarge, nil
		case errors.As(err, &tooLarge):
			return b, isLarge, errTooLarge
		default:
			return b, isLarge, errTransport
		}
	}
}
