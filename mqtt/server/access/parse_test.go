package access_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"sluice/mqtt/server/access"
)

// Entries that `mosquitto_passwd -b` wrote for the password "secret".
const (
	goodPBKDF2 = "$7$101$Jj1QBZ6F8Cw5eFDN$JDMV24ieMCFv+o8380CwRKcskHIHZ9Xu+adf3N2fvJCAwioD99C0ti8WqV8Orvzz/xg38630k+/lfcH6Ns20kQ=="
	goodSHA512 = "$6$uBPvH1Fd6m/qpf6o$Jh0bnPqx23rGiCNyHShZIG2r3B7r0G/YPqrxMG/uK7RZYiGb4Jg2egfmGJeB1gwgORc8wEuhShPuGYSsZ/qF9w=="
)

func TestParsePasswords_NamesEveryFaultAndNoSecret(t *testing.T) {
	t.Parallel()
	salt, key := "YWFhYWFhYWFhYWFh", strings.Repeat("YWFh", 21)+"YQ=="
	for _, c := range []struct{ name, text, want string }{
		{"good", "# comment\n\n a:" + goodPBKDF2 + " \r\nb:" + goodSHA512, ""},
		{"empty", "", ""},
		{"no colon", "hunter2", "passwd:1: no ':' behind a user name; write such lines with mosquitto_passwd, or begin a comment with #"},
		{"plain", "a:hunter2", `passwd:1: user "a": not a hash of kind $7$ or $6$; write it with ` + "`mosquitto_passwd -H sha512-pbkdf2`"},
		{"no hash", "#\na:", `passwd:2: user "a": not a hash`},
		{"argon2", "a:$argon2id$v=19$m=47104,t=1,p=1$hunter2$hunter2", `passwd:1: user "a": not a hash of kind $7$ or $6$`},
		{"kind 8", "a:$8$101$" + salt + "$" + key, "not a hash of kind"},
		{"more", "a:" + goodPBKDF2 + "$x", "not a hash of kind"},
		{"colon", "a:b:" + goodPBKDF2, "not a hash of kind"},
		{"no name", " :" + goodPBKDF2, "passwd:1: the user name is empty; give one"},
		{"control", "a\x01:" + goodPBKDF2, "passwd:1: the user name contains ':' or a control character"},
		{"twice", "a:" + goodPBKDF2 + "\n\na:" + goodSHA512, `passwd:3: user "a" is in line 1 already; keep one`},
		{"0 iterations", "a:$7$0$" + salt + "$" + key, "the iterations of the hash are not 1 to 1000000"},
		{"many iterations", "a:$7$1000001$" + salt + "$" + key, "the iterations"},
		{"negative", "a:$7$-1$" + salt + "$" + key, "the iterations"},
		{"salt", "a:$7$101$%%%%$" + key, "the salt of the hash is not base64 of 8 to 64 bytes"},
		{"short salt", "a:$7$101$YWFh$" + key, "the salt"},
		{"long salt", "a:$6$" + strings.Repeat("YWFh", 22) + "$" + key, "the salt"},
		{"short key", "a:$7$101$" + salt + "$YWFh", "the hash is not base64 of 64 bytes"},
		{"key", "a:$6$" + salt + "$hunter2", "the hash is not base64"},
		{"two faults", "hunter2\nb:hunter2", "passwd:2: user \"b\""},
		{"many faults", strings.Repeat("hunter2\n", 25), "passwd: and 15 more"},
	} {
		_, err := access.ParsePasswords("passwd", []byte(c.text))
		checkFault(t, c.name, err, c.want)
	}
}

func TestParseACL_NamesEveryFault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"good", "# c\n\n  topic read a\r\nuser  b c \ntopic deny d/# \npattern %u/x\ntopic readwrite read", ""},
		{"word", "topic a\nfoo bar", `acl:2: "foo" is not user, topic or pattern`},
		{"late comment", " # c", `acl:1: "#" is not user, topic or pattern`},
		{"tab", "topic\tread\ta", "acl:1: \"topic\\tread\\ta\" is not user"},
		{"tab behind", "topic read\ta", `acl:1: topic filter "read\ta": not UTF-8 or contains a control character`},
		{"no filter", "topic", "acl:1: no topic filter; write: topic read|write|readwrite|deny FILTER"},
		{"permission only", "pattern deny", "acl:1: no topic filter; write: pattern read|"},
		{"permission", "topic foo bar", `acl:1: "foo" is not read, write, readwrite or deny`},
		{"filter", "topic write a/#/b", `acl:1: topic filter "a/#/b": + and # must be a whole level, # the last`},
		{"pattern", "pattern write a/%u+", `acl:1: topic filter "a/%u+"`},
		{"no user", "user", "acl:1: the user name is empty; give one"},
		{"colon", "user a:b", "acl:1: the user name contains ':'"},
		{"two faults", "foo\ntopic", "acl:2: no topic filter"},
	} {
		_, err := access.ParseACL("acl", []byte(c.text))
		checkFault(t, c.name, err, c.want)
	}
}

func checkFault(t *testing.T, name string, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("%s: %v", name, err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("%s: got %v, want %s", name, err, want)
	case err != nil && strings.Contains(err.Error(), "hunter2"):
		t.Errorf("%s: the error holds the secret: %v", name, err)
	}
}

func FuzzParsePasswords(f *testing.F) {
	f.Add("a:" + goodPBKDF2 + "\n# c\nb:" + goodSHA512)
	f.Add("a:$7$101$$\n:\n\x00")
	f.Fuzz(func(t *testing.T, text string) {
		_, err := access.ParsePasswords("p", []byte(text))
		if err == nil && strings.Contains(text, "\x01") && !strings.Contains(text, "#") {
			t.Errorf("%q: a control character is accepted", text)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "p:") {
			t.Errorf("%q: the error does not say where: %v", text, err)
		}
	})
}

// Besides: what may be read may be subscribed to, and deny leaves nothing.
func FuzzParseACL(f *testing.F) {
	f.Add(compareACL, "pump-1", "p1", "pulse")
	f.Add("user\ntopic  deny \npattern %u%c/#", "a", "b", "ab/c")
	f.Add("pattern deny %u/#\ntopic #", "a/b", "+", "a/b/c")
	f.Fuzz(func(t *testing.T, text, user, client, topic string) {
		rules, err := access.ParseACL("a", []byte(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "a:") {
				t.Errorf("%q: the error does not say where: %v", text, err)
			}
			return
		}
		r := access.RightsOf(rules, user, client)
		valid := topic != "" && utf8.ValidString(topic) && !strings.ContainsFunc(topic, unicode.IsControl) && !strings.ContainsAny(topic, "+#")
		if valid && r.Read(topic) && !r.Subscribe(topic) {
			t.Errorf("%q: %q, %q may read %q and not subscribe to it", text, user, client, topic)
		}
		rules, err = access.ParseACL("a", []byte("pattern deny #\npattern deny $SYS/#\n"+text))
		if err != nil {
			t.Fatalf("%q behind two more lines: %v", text, err)
		}
		if r := access.RightsOf(rules, user, client); !strings.HasPrefix(topic, "$") && (r.Read(topic) || r.Write([]byte(topic))) {
			t.Errorf("%q: %q is allowed though all is denied", text, topic)
		}
	})
}
