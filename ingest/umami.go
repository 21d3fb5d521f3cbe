package ingest

import (
	"net/http"

	"footfall/ingest/wire"
)

// What Umami's script reads of an answer, and sends back as X-Umami-Cache. Here all visitors get the same: nothing is kept of them.
var umamiBody = []byte(`{"cache":"","sessionId":"","visitId":""}`)

// umami answers POST /api/send, for scripts and programs written for Umami.
func (h *Handler) umami(w http.ResponseWriter, r *http.Request) {
	from, err := h.sender(r)
	if err != nil {
		h.refuse(w, err)
		return
	}
	hit, err := h.decode(w, r, wire.DecodeUmami)
	if err != nil {
		h.refuse(w, err)
		return
	}
	if hit.Language != "" {
		from.languages = hit.Language
	}
	dropped, err := h.countAll(r.Context(), &hit, &from)
	if err != nil {
		h.refuse(w, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=utf-8")
	tellDropped(header, dropped)
	w.Write(umamiBody)
}
