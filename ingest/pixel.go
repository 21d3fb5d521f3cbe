package ingest

import (
	"encoding/json"
	"net/http"

	"footfall/ingest/wire"
)

// transparent is a GIF of one pixel that shows nothing.
var transparent = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")

// pixel answers GET /pixel.gif, for pages without JavaScript. The image comes whatever happens, so that no page shows a broken one; the status says what
// became of the event, 200 where the Events API says 202: what stands between takes only that for an image. HEAD counts nothing, since nobody sees a page.
func (h *Handler) pixel(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "image/gif")
	header.Set("Cache-Control", "no-store")
	header.Set("Cross-Origin-Resource-Policy", "cross-origin")
	status := http.StatusOK
	if r.Method == http.MethodGet {
		dropped, err := h.view(r)
		tellDropped(header, dropped)
		if err != nil {
			no := h.refusal(err)
			no.setHeader(header)
			reason, _ := json.Marshal(no.fields)
			header.Set("X-Footfall-Error", string(reason))
			status = no.status
		}
	}
	w.WriteHeader(status)
	w.Write(transparent)
}

// view counts the event of a pixel's query.
func (h *Handler) view(r *http.Request) (dropped int, err error) {
	from, err := h.sender(r)
	if err != nil {
		return 0, err
	}
	hit, err := wire.DecodeQuery(r.URL.RawQuery, r.Referer())
	if err != nil {
		return 0, err
	}
	return h.countAll(r.Context(), &hit, &from)
}
