package seal

const (
	// maxKeySlots ways to the master key: a key file, a recovery key, some people's passphrases and room to change them.
	maxKeySlots = 8

	// maxPages the header can describe with two bits a page in the room it has: sites and time zones together.
	maxPages = (macOffset - useOffset) * 4

	// growPages at a time the vault gets longer: 64 KiB, enough for a dozen sites.
	growPages = 16

	// maxZone bytes the name of a time zone; the longest real one has 32.
	maxZone = 255

	// Parameters of new passphrase slots: about 0.3 s, once at a start.
	passphrasePasses = 3
	passphraseMemory = 64 << 10 // KiB
	passphraseLanes  = 1

	// Parameters of login passwords: about 60 ms. Memory counts here, on a server of 512 MB.
	passwordPasses = 2
	passwordMemory = 19 << 10 // KiB
	passwordLanes  = 1

	// passwordsAtOnce are hashed, passwordsWaiting may wait: 2 × 19 MiB, and a few seconds of waiting.
	passwordsAtOnce  = 2
	passwordsWaiting = 16

	// maxPassword bytes: a longer one is no password but an attack on the hash.
	maxPassword = 1024

	// minPassphrase bytes a new passphrase: with 12 random letters and argon2id, a thief of the vault needs more years than there are.
	minPassphrase = 12

	// MaxKeyText bytes of a key file or passphrase file are read.
	MaxKeyText = 4096
)

// argonAllowed keeps stored parameters from asking for all memory or for an hour. The lower bounds are OWASP's.
func argonAllowed(passes, memory uint32, lanes uint8) bool {
	return passes >= 1 && passes <= 16 && memory >= 7<<10 && memory <= 1<<20 && lanes >= 1 && lanes <= 16
}
