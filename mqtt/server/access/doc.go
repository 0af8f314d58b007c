// Package access holds the users of the front door and what each of them may
// read and write, from the same two files as Mosquitto: password_file, as
// mosquitto_passwd(1) writes it, and acl_file, see mosquitto.conf(5).
//
//	doors, err := access.Open(access.Files{Passwords: "passwd", ACL: "acl"}, log)
//	generation := doors.Generation()           // before Authenticate
//	if doors.Authenticate(user, password) {
//		rights := doors.Rights(user, client)   // one per connection
//		rights.Write(topic)                    // for each PUBLISH
//	}
//	// Once a second, for each open connection:
//	if now := doors.Generation(); now != generation {
//		stay := doors.StillValid(user, generation)
//		rights = doors.Rights(user, client)
//	}
//
// It answers as Mosquitto 2.0 does, or stricter; compare_test.go asks both.
// Stricter are these:
//
//   - A faulty line refuses the file. (Mosquitto drops the user of such a line.)
//   - deny wins always. (There a `topic` line that grants wins over
//     `pattern deny`.)
//   - A pattern with %u grants nothing to a user whose name contains `/`, one
//     with %c nothing to such a client: it would reach other levels. (There it
//     does.) As there, `+` or `#` in either name cost all that patterns grant.
//     Of `pattern deny` an unsafe name denies everything from its level on.
//   - A name that begins with `$` does not open `$` topics to a pattern that
//     begins with %u or %c.
//   - SUBSCRIBE is refused for a filter that can match nothing readable. (There
//     it is always granted, and nothing is delivered.) This refuses `$share/..`
//     too, unless a line names that prefix.
//   - Without a password file nobody can prove a name, so a name with a password
//     is refused where there is an ACL file. (There it is taken on trust.)
//   - An empty password is never right.
//   - An ACL file without lines grants nothing.
package access
