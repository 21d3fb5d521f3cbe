package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"footfall/ingest/shield"
	"footfall/ingest/wire"
	"footfall/storage"
)

// refusal is what the sender of a request is told that was not counted.
type refusal struct {
	status int
	retry  string // seconds to wait; "" where it does not help to try again
	fields wire.FieldErrors
}

// refusal counts and, where nobody else does, logs an error. It is the one place where errors become status codes.
func (h *Handler) refusal(err error) refusal {
	request := func(text string) wire.FieldErrors { return wire.FieldErrors{"request": {text}} }
	var fields wire.FieldErrors
	switch {
	case errors.As(err, &fields):
		h.drop(0, 0, shield.Invalid)
		return refusal{http.StatusBadRequest, "", fields}
	case errors.Is(err, errToken):
		h.drop(0, 0, shield.Invalid)
		return refusal{http.StatusUnauthorized, "", wire.FieldErrors{"authorization": {"is not a sending token: make one with `footfall token add --scope send` or `--scope proxy`"}}}
	case errors.Is(err, errTooLarge):
		h.drop(0, 0, shield.Invalid)
		return refusal{http.StatusRequestEntityTooLarge, "", request("should be at most " + strconv.Itoa(wire.MaxBody) + " byte(s)")}
	case errors.Is(err, errEncoded):
		h.drop(0, 0, shield.Invalid)
		return refusal{http.StatusUnsupportedMediaType, "", request("should be sent without Content-Encoding")}
	case errors.Is(err, errTransport), errors.Is(err, context.Canceled): // nobody is left to read the answer
		return refusal{http.StatusBadRequest, "", request("Unable to read request body")}
	}
	h.counters.refused.Add(1)
	switch {
	case errors.Is(err, errNoRoom), errors.Is(err, storage.ErrBusy), errors.Is(err, errDayEnded), errors.Is(err, storage.ErrDayClosed):
		return refusal{http.StatusServiceUnavailable, retryBusy, request("the server has too much to do, try again")}
	case errors.Is(err, storage.ErrFull):
		return refusal{http.StatusServiceUnavailable, retryFull, request("the server's disk is full, try again later")}
	case errors.Is(err, storage.ErrPoisoned), errors.Is(err, storage.ErrDamaged): // which is said where it is found, not for each event
	default:
		h.log.Error("an event could not be stored", "error", err)
	}
	return refusal{http.StatusServiceUnavailable, retryBroken, request("the server cannot store events now, try again later")}
}

func (no *refusal) setHeader(header http.Header) {
	if no.retry != "" {
		header.Set("Retry-After", no.retry)
	}
	if no.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
}

// refuse answers a request that was not counted.
func (h *Handler) refuse(w http.ResponseWriter, err error) {
	no := h.refusal(err)
	no.setHeader(w.Header())
	body, _ := json.Marshal(map[string]wire.FieldErrors{"errors": no.fields})
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(no.status)
	w.Write(body)
}
