package account

// Decode decodes one record as Open does once it is unsealed.
func Decode(key, plain []byte) error {
	if len(key) == 0 {
		return ErrDamaged
	}
	return newState().decode(key, plain)
}
