package wire

import "footfall/storage/day"

// DecodeQuery reads the query of GET /pixel.gif, whose parameters are the fields of a form. Without a name it is a pageview, and without a URL it is one
// of page, the address that the browser says it came from. The error is FieldErrors.
func DecodeQuery(query, page string) (Hit, error) {
	var r request
	r.form(query)
	if r.first(fieldN, fieldName).kind == absent {
		r.fields[fieldN] = value{plain, []byte(day.Pageview)}
	}
	if r.first(fieldU, fieldURL).kind == absent {
		r.fields[fieldU] = value{plain, []byte(page)}
	}
	return r.hit()
}
