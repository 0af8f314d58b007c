package sluice

// MaxName is the limit of a name of a device or facility in bytes.
const MaxName = 64

// NameRule says in words what ValidName checks.
const NameRule = "a name is 1 to 64 characters A-Z, a-z, 0-9, '.', '_' or '-', the first a letter or digit"

// ValidName holds the rule for names of devices and facilities,
// ^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$.
func ValidName[T string | []byte](s T) bool {
	if len(s) == 0 || len(s) > MaxName || !alphanumeric(s[0]) {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; !alphanumeric(c) && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	lower := c | 0x20
	return lower-'a' < 26 || c-'0' < 10
}
