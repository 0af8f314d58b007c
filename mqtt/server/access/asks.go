package access

// AsksPassword tells whether there is a password file, so that nobody comes in without a
// password.
func (a *Access) AsksPassword() bool { return a.files.Passwords != "" }
