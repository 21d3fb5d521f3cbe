package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"

	"footfall/ingest/agent"
	"footfall/ingest/shield"
	"footfall/ingest/visitor"
	"footfall/ingest/wire"
	"footfall/storage"
)

// sender is what is known of who sent a request. It dies with the request.
type sender struct {
	addr      netip.Addr
	userAgent string
	languages string // Accept-Language

	parsed bool
	known  agent.Agent
}

func (s *sender) agent(h *Handler) agent.Agent {
	if !s.parsed {
		s.known, s.parsed = h.agents.Parse(s.userAgent), true
	}
	return s.known
}

func (h *Handler) sender(r *http.Request) sender {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // what is no address, such as a socket's, stays invalid and untrusted
	return sender{
		addr:      visitor.ClientAddr(peer.Addr(), r.Header["X-Forwarded-For"], h.trusted),
		userAgent: r.UserAgent(),
		languages: r.Header.Get("Accept-Language"),
	}
}

// event answers POST /api/event: 202 once every event that counts is on disk.
func (h *Handler) event(w http.ResponseWriter, r *http.Request) {
	from := h.sender(r)
	if r.Header.Get("X-Debug-Request") == "true" {
		w.Header()["Content-Type"] = plainText
		io.WriteString(w, from.addr.String())
		return
	}
	hit, err := h.decode(w, r)
	if err != nil {
		h.refuse(w, err)
		return
	}
	var (
		waiting [4]storage.Commit // more than one site a request is rare
		placed  = waiting[:0]
		dropped int
		failed  error
	)
	for _, domain := range hit.Domains {
		p, reason, err := h.count(&hit, &from, domain)
		switch {
		case err != nil:
			failed = err
		case reason != "":
			dropped++
		default:
			placed = append(placed, p)
		}
	}
	for _, p := range placed {
		if err := p.Wait(r.Context()); err != nil {
			failed = err
			continue
		}
		h.counters.accepted.Add(1)
	}
	if failed != nil {
		h.refuse(w, failed)
		return
	}
	header := w.Header()
	header["Content-Type"] = plainText
	if dropped > 0 {
		header.Set("X-Plausible-Dropped", strconv.Itoa(dropped))
	}
	w.WriteHeader(http.StatusAccepted)
	w.Write(okBody)
}

var (
	errTooLarge = errors.New("body too large")
	errNoRoom   = errors.New("too many large bodies at once")
	// errTransport stands for every error of reading a body: their own texts name the client's address.
	errTransport = errors.New("body could not be read")
)

// decode reads and decodes the body. Nothing of the hit shares memory with the buffer.
func (h *Handler) decode(w http.ResponseWriter, r *http.Request) (wire.Hit, error) {
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
	return wire.Decode(r.Header.Get("Content-Type"), body)
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

// refuse answers a request that was not counted. It is the one place where errors become status codes.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	var fields wire.FieldErrors
	status, retry := http.StatusBadRequest, ""
	switch {
	case errors.As(err, &fields):
		h.drop(0, 0, shield.Invalid)
	case errors.Is(err, errTooLarge):
		h.drop(0, 0, shield.Invalid)
		status = http.StatusRequestEntityTooLarge
		fields = wire.FieldErrors{"request": {"should be at most " + strconv.Itoa(wire.MaxBody) + " byte(s)"}}
	case errors.Is(err, errNoRoom), errors.Is(err, storage.ErrBusy), errors.Is(err, errDayEnded), errors.Is(err, storage.ErrDayClosed):
		status, retry = http.StatusServiceUnavailable, retryBusy
		fields = wire.FieldErrors{"request": {"the server has too much to do, try again"}}
	case errors.Is(err, storage.ErrFull):
		status, retry = http.StatusServiceUnavailable, retryFull
		fields = wire.FieldErrors{"request": {"the server's disk is full, try again later"}}
	case errors.Is(err, storage.ErrPoisoned), errors.Is(err, storage.ErrDamaged): // which is said where it is found, not for each event
		status, retry = http.StatusServiceUnavailable, retryBroken
		fields = wire.FieldErrors{"request": {"the server cannot store events now, try again later"}}
	case errors.Is(err, errTransport), errors.Is(err, context.Canceled): // nobody is left to read the answer
		fields = wire.FieldErrors{"request": {"Unable to read request body"}}
	default:
		h.log.Error("an event could not be stored", "error", err)
		status, retry = http.StatusServiceUnavailable, retryBroken
		fields = wire.FieldErrors{"request": {"the server cannot store events now, try again later"}}
	}
	if retry != "" {
		h.counters.refused.Add(1)
		w.Header().Set("Retry-After", retry)
	}
	body, _ := json.Marshal(map[string]wire.FieldErrors{"errors": fields})
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body)
}
