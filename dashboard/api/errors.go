package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"footfall/dashboard/auth"
	"footfall/storage"
	"footfall/storage/account"
	"footfall/storage/query"
	"footfall/storage/seal"
)

// refusal is an error whose text is for the caller and whose status is chosen where it is made.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

// Is makes every refusal of a query a query.ErrInvalid, for the command line.
func (r *refusal) Is(target error) bool {
	return r.status == http.StatusBadRequest && target == query.ErrInvalid
}

// refuse says that the request itself is wrong.
func refuse(format string, args ...any) error {
	return &refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// Texts of the Stats API. Clients match on them.
const (
	textNoKey      = "Missing API key. Please use a valid Footfall API key as a Bearer Token."
	textWrongKey   = "Invalid API key or site ID. Please make sure you're using a valid API key with access to the site you've requested."
	textNoSuchSite = "Site could not be found"
	textNoSite     = "Missing site ID. Please provide the required site_id parameter with your request."
	textInternal   = "internal server error"
	textNotFound   = "There is no such site."
	textTooLong    = "The request body is too long."
	textTooSlow    = "The query took too long. Ask for fewer days or fewer dimensions."
	textBusy       = "The server is busy. Try again in a moment."
	textFull       = "The server's disk is full. Its log and `footfall reclaim --help` say what to do."
	textWriteFault = "The server cannot write at the moment. Its log says why."
)

// statuses is the one table from errors to HTTP. A text of "" is the error's own.
var statuses = []struct {
	is     error
	status int
	text   string
}{
	{auth.ErrNoToken, http.StatusUnauthorized, textNoKey},
	{auth.ErrWrongToken, http.StatusUnauthorized, textWrongKey},
	{auth.ErrAnonymous, http.StatusUnauthorized, "Log in first."},
	{auth.ErrWrongLogin, http.StatusUnauthorized, "E-mail or password is wrong."},
	{auth.ErrWrongSetup, http.StatusForbidden, "The setup link is not valid. A fresh one is printed when the server starts."},
	{auth.ErrSetupDone, http.StatusConflict, "The first account exists already. Log in."},
	{auth.ErrBadPassword, http.StatusBadRequest, ""},
	{query.ErrInvalid, http.StatusBadRequest, ""},
	{account.ErrInvalid, http.StatusBadRequest, ""},
	{account.ErrExists, http.StatusConflict, "It exists already."},
	{account.ErrFull, http.StatusConflict, ""},
	{account.ErrNotFound, http.StatusNotFound, textNotFound},
	{storage.ErrNoSite, http.StatusNotFound, textNotFound},
	{storage.ErrSiteBusy, http.StatusConflict, ""},
	{storage.ErrChanged, http.StatusConflict, "What would be deleted is not what was previewed. Ask for a new preview."},
	{seal.ErrBusy, http.StatusTooManyRequests, textBusy},
	{storage.ErrBusy, http.StatusServiceUnavailable, textBusy},
	{storage.ErrFull, http.StatusServiceUnavailable, textFull},
	{storage.ErrPoisoned, http.StatusServiceUnavailable, textWriteFault},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, textTooSlow},
}

// statusOf returns what the caller is told about err. Status 500 means that the error is ours and was not told.
func statusOf(err error) (status int, text string, retry time.Duration) {
	var own *refusal
	if errors.As(err, &own) {
		return own.status, own.text, 0
	}
	var slow *auth.ThrottledError
	if errors.As(err, &slow) {
		return http.StatusTooManyRequests, "Too many attempts. Wait a moment and try again.", slow.After
	}
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return http.StatusRequestEntityTooLarge, textTooLong, 0
	}
	for _, s := range statuses {
		if errors.Is(err, s.is) {
			if s.status == http.StatusServiceUnavailable || s.status == http.StatusTooManyRequests {
				retry = time.Second
			}
			if s.text == "" {
				return s.status, err.Error(), retry
			}
			return s.status, s.text, retry
		}
	}
	return http.StatusInternalServerError, textInternal, 0
}

// fail answers with an error.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil && errors.Is(err, context.Canceled) {
		return // nobody listens any more
	}
	status, text, retry := statusOf(err)
	if status == http.StatusInternalServerError {
		a.log.Error("answer request", "route", r.Pattern, "error", err)
	}
	if retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(retry.Seconds()))))
	}
	a.send(w, status, map[string]string{"error": text})
}
