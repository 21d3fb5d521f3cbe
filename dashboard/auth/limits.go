package auth

import "time"

const (
	minPassword = 12  // characters: long enough that a stolen argon2id hash is not worth guessing
	maxPassword = 128 // characters: hashing longer ones costs more than it gives

	setupBytes   = 18 // 144 bits, 24 characters: fits a terminal line
	sessionBytes = 32 // 256 bits
	tokenBytes   = 48 // 64 URL-safe characters, as clients of the Stats API expect
	prefixChars  = 6  // shown in lists; leaves 348 bits secret

	idle       = 14 * 24 * time.Hour // a login unused this long ends
	touchEvery = time.Hour           // a used login is written at most this often
	cookieAge  = 400 * 24 * 3600     // seconds, the longest browsers keep; the server decides

	// Guessing: some free mistakes, then a delay that doubles, for the address and for the account. A stranger who keeps typing an
	// account's address slows its owner down, but only where the owner has not logged in from since the server started.
	freeAttempts = 5
	maxDelay     = 30 * time.Second
	forgetAfter  = 15 * time.Minute // without a further mistake
	maxWatched   = 8192             // addresses and accounts remembered, 40 bytes each
)
