// Package users keeps the users of a broker or the front door: Mosquitto's password file
// and ACL file, changed together and read by both. See `sluice users`.
//
//	files := users.Files{Passwords: "users.txt", ACL: "acl.txt"}
//	secrets, err := files.Add([]users.User{{Name: "router", Role: users.Router}, {Name: "dev-1", Role: users.Device}}, nil)
//	err = files.Remove([]string{"dev-1"})
//
// The password file is the list of users. Patterns of the ACL file hold each of them to
// topics that end in its own name; what a user may do beyond is in lines of its own. Lines
// that are not of the users in question stay as they are, byte by byte.
//
// Both files are replaced in one step each, new ones with permissions 0600; those that are
// there keep their owner, group and the permissions of both. Rights come before the
// password and go after it, so that what a kill between the two leaves lets nobody in, and
// the same call mends it. Several processes may do it at once.
package users
