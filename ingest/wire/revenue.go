package wire

import (
	"strings"

	"footfall/storage/day"
)

// revenue returns the amount sent with an event; one that is not well formed is left out.
func (r *request) revenue() day.Revenue {
	v, parts := r.firstObject(fieldRevenue, fieldDollar)
	raw := v.raw
	switch v.kind {
	case object:
	case text, plain:
		s, _ := v.str()
		raw = []byte(s)
	default:
		var m money
		for _, p := range parts {
			m.set(p.key, value{plain, []byte(p.val)})
		}
		return m.revenue()
	}
	var m money
	_, ok, _ := members(raw, func(key []byte, v value) error {
		m.set(string(key), v)
		return nil
	})
	if !ok {
		return day.Revenue{}
	}
	return m.revenue()
}

// money is what an object says of an amount.
type money struct{ amount, currency value }

func (m *money) set(key string, v value) {
	switch key {
	case "amount":
		m.amount = v
	case "currency":
		m.currency = v
	}
}

// revenue returns the amount, nothing if it is not well formed.
func (m *money) revenue() day.Revenue {
	amount, _ := m.amount.str()
	if m.amount.kind == number {
		amount = string(m.amount.raw)
	}
	r := day.Revenue{Amount: decimal(strings.TrimSpace(amount))}
	if r.Currency, _ = m.currency.str(); r.Amount == "" || !isCurrency(r.Currency) {
		return day.Revenue{}
	}
	return r
}

// decimal returns the number s as plain decimal digits, none of them lost, or "" if s is no number or has more than
// maxAmount characters. A trailing zero stays: it was sent.
func decimal(s string) string {
	if len(s) > maxAmount {
		return ""
	}
	s, sign := cutSign(s)
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(s), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || !isDigits(whole) || !isDigits(fraction) {
		return ""
	}
	if hasExponent {
		shift, ok := value{plain, []byte(exponent)}.integer()
		if !ok || shift > maxAmount || shift < -maxAmount {
			return ""
		}
		whole, fraction = shiftPoint(whole, fraction, int(shift))
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if strings.Trim(whole, "0.") == "" {
		sign = "" // there is no negative zero of money
	}
	if whole = sign + whole; len(whole) > maxAmount {
		return ""
	}
	return whole
}

func cutSign(s string) (rest, sign string) {
	switch {
	case strings.HasPrefix(s, "-"):
		return s[1:], "-"
	case strings.HasPrefix(s, "+"):
		return s[1:], ""
	}
	return s, ""
}

// shiftPoint moves the decimal point n places to the right.
func shiftPoint(whole, fraction string, n int) (string, string) {
	if n >= 0 {
		fraction += strings.Repeat("0", max(0, n-len(fraction)))
		return whole + fraction[:n], fraction[n:]
	}
	whole = strings.Repeat("0", max(0, -n-len(whole))) + whole
	return whole[:len(whole)+n], whole[len(whole)+n:] + fraction
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// currencies are the codes of ISO 4217 that stand for money in use, three letters each.
const currencies = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLF " +
	"CLP CNY COP CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF " +
	"IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT " +
	"MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR " +
	"SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV " +
	"WST XAF XAG XAU XCD XCG XOF XPD XPF XPT XSU YER ZAR ZMW ZWG ZWL"

func isCurrency(code string) bool {
	return len(code) == 3 && code[0] >= 'A' && code[0] <= 'Z' && strings.Index(currencies, code)%4 == 0
}
