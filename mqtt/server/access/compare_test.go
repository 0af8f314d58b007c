package access_test

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"sluice/internal/testenv"
	"sluice/mqtt/server/access"
)

const password = "correct horse"

// compareUsers have entries in the password file, of which "old" is of the kind
// that Mosquitto 1.6 wrote.
var compareUsers = []string{
	"admin", "pump-1", "gateway", "reader", "nobody", "two", "a b", "x/y", "x+y", "x#", "%c", "$x", "trail", "old",
}

const compareACL = `# Lines before the first user are for those without a name.
topic read public/#
topic deny public/secret

user admin
topic #
topic readwrite $x/#
topic readwrite $SYS/#

user gateway
topic write data/#
topic deny data/sensor/locked
topic deny data/admin/#
topic read commands/+/gateway
topic literal/%u

user reader
topic read #
topic deny private/#
topic   read   spaced/a b

user nobody

user two
topic write two/first

user a b
topic readwrite own/a b

user trail   
topic write trail/#  

user two
topic write two/second

user x/y
topic write topics/x/y

pattern write data/+/%u
pattern read pulse/#
pattern read commands/%u
pattern client/%c/#
pattern deny client/%c/locked
pattern write part/x-%u-%c
pattern read %u/status
pattern deny hidden/%u/#
pattern write both/%u/%c
pattern deny data/admin/gateway
pattern deny two/first
`

// question asks for one right.
type question struct {
	user, client string
	write        bool // else read
	topic        string
	want         bool   // Mosquitto's answer, and ours
	differs      string // why we refuse what it allows; "" if we do not
}

const (
	r = false
	w = true
)

var questions = []question{
	// Without a name.
	{"", "anon", r, "public/a", true, ""},
	{"", "anon", r, "public", true, ""},
	{"", "anon", r, "public/secret", false, ""},
	{"", "anon", w, "public/a", false, ""},
	{"", "anon", r, "private", false, ""},
	{"", "anon", r, "pulse/all", true, ""},
	{"", "anon", w, "client/anon/x", true, ""},
	{"", "anon", r, "client/anon/locked", false, ""},
	{"", "anon", w, "data/sensor/", false, ""},
	{"", "anon", r, "commands/", false, ""},

	// A device that has patterns only.
	{"pump-1", "p1", w, "data/sensor/pump-1", true, ""},
	{"pump-1", "p1", w, "data/sensor/pump-2", false, ""},
	{"pump-1", "p1", w, "data/sensor/pump-1/x", false, ""},
	{"pump-1", "p1", w, "data/pump-1", false, ""},
	{"pump-1", "p1", w, "data//pump-1", true, ""},
	{"pump-1", "p1", r, "data/sensor/pump-1", false, ""},
	{"pump-1", "p1", r, "commands/pump-1", true, ""},
	{"pump-1", "p1", w, "commands/pump-1", false, ""},
	{"pump-1", "p1", r, "public/a", false, ""},
	{"pump-1", "p1", r, "pulse", true, ""},
	{"pump-1", "p1", w, "part/x-pump-1-p1", true, ""},
	{"pump-1", "p1", w, "part/x-pump-1-p2", false, ""},
	{"pump-1", "p1", w, "both/pump-1/p1", true, ""},
	{"pump-1", "p1", w, "both/p1/pump-1", false, ""},
	{"pump-1", "p1", r, "pump-1/status", true, ""},
	{"pump-1", "p1", w, "client/p1/locked", false, ""},
	{"pump-1", "p1", w, "client/p1", true, ""},
	{"pump-1", "p1", w, "$SYS/x", false, ""},
	{"pump-1", "p1", w, "$x/y", false, ""},
	{"old", "o1", w, "data/sensor/old", true, ""},

	// topic lines of users.
	{"gateway", "g1", w, "data/sensor/pump-9", true, ""},
	{"gateway", "g1", w, "data", true, ""},
	{"gateway", "g1", w, "data/sensor/locked", false, ""},
	{"gateway", "g1", w, "data/admin", false, ""},
	{"gateway", "g1", w, "data/admin/x/y", false, ""},
	{"gateway", "g1", r, "commands/a/gateway", true, ""},
	{"gateway", "g1", r, "commands/a/b", false, ""},
	{"gateway", "g1", w, "literal/%u", true, ""},
	{"gateway", "g1", w, "literal/gateway", false, ""},
	{"reader", "r1", r, "anything/at/all", true, ""},
	{"reader", "r1", r, "private/x", false, ""},
	{"reader", "r1", r, "private", false, ""},
	{"reader", "r1", r, "$x/y", false, ""},
	{"reader", "r1", r, "spaced/a b", true, ""},
	{"reader", "r1", w, "anything", false, ""},
	{"nobody", "n1", w, "data/sensor/nobody", true, ""},
	{"nobody", "n1", w, "x", false, ""},
	{"two", "t1", w, "two/second", true, ""},
	{"a b", "ab", w, "own/a b", true, ""},
	{"a b", "ab", w, "data/x/a b", true, ""},
	{"trail", "tr", w, "trail/x", true, ""},
	{"admin", "adm", w, "$x/y", true, ""},
	{"admin", "adm", w, "$SYS/x", false, ""},
	{"admin", "adm", w, "$SYSx", false, ""},
	{"admin", "adm", r, "hidden/admin/x", true, "pattern deny wins over topic"},
	{"two", "t1", w, "two/first", true, "pattern deny wins over topic"},

	// Names that mean something in a topic.
	{"x/y", "s1", w, "data/sensor/x/y", true, "a user name with a slash opens no other level"},
	{"x/y", "s1", w, "data/x/y", false, ""},
	{"x/y", "s1", w, "topics/x/y", true, ""},
	{"x/y", "s1", r, "pulse", true, ""},
	{"x/y", "s1", w, "client/s1/a", true, ""},
	{"x+y", "s2", w, "client/s2/a", false, ""},
	{"x+y", "s2", r, "pulse", false, ""},
	{"x#", "s3", r, "pulse", false, ""},
	{"x#", "s3", w, "client/s3/a", false, ""},
	{"pump-1", "a/b", w, "client/a/b/c", true, "a client id with a slash opens no other level"},
	{"pump-1", "a/b", w, "data/sensor/pump-1", true, ""},
	{"pump-1", "+", w, "client/p1/c", false, ""},
	{"pump-1", "#", w, "data/sensor/pump-1", false, ""},
	{"%c", "gateway", w, "data/sensor/gateway", false, ""},
	{"%c", "gateway", w, "data/sensor/%c", true, ""},
	{"$x", "s4", r, "$x/status", true, "a name does not open $ topics"},
	{"$x", "s4", w, "data/sensor/$x", true, ""},
}

// writeFiles writes both files, the passwords with mosquitto_passwd.
func writeFiles(t testing.TB) access.Files {
	t.Helper()
	dir := t.TempDir()
	f := access.Files{Passwords: filepath.Join(dir, "passwords"), ACL: filepath.Join(dir, "acl"), AllowAnonymous: true}
	mustWrite(t, f.Passwords, "")
	mustWrite(t, f.ACL, compareACL)
	for _, user := range compareUsers {
		args := []string{"-b", f.Passwords, user, password}
		if user == "old" {
			args = append([]string{"-H", "sha512"}, args...)
		}
		if out, err := exec.Command("mosquitto_passwd", args...).CombinedOutput(); err != nil {
			t.Fatalf("mosquitto_passwd: %v: %s", err, out)
		}
	}
	return f
}

func mustWrite(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mustOpen(t testing.TB, f access.Files) *access.Access {
	t.Helper()
	a, err := access.Open(f, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mosquitto(t testing.TB, f access.Files) string {
	t.Helper()
	return testenv.Mosquitto(t, testenv.Config("password_file "+f.Passwords, "acl_file "+f.ACL)).Addr()
}

func TestRights_AnswerAsMosquittoDoes(t *testing.T) {
	t.Parallel()
	files := writeFiles(t)
	ours := mustOpen(t, files)
	b := &broker{t: t, addr: mosquitto(t, files), clients: map[[2]string]*client{}}
	for _, q := range questions {
		theirs := b.answer(q)
		rights := ours.Rights(q.user, q.client)
		got := rights.Write([]byte(q.topic))
		if !q.write {
			got = rights.Read(q.topic)
		}
		want := q.want && q.differs == ""
		if got != want || theirs != q.want {
			t.Errorf("%+v: got %t, want %t; Mosquitto says %t", q, got, want, theirs)
		}
	}
}

// broker asks Mosquitto, with one connection per user and client.
type broker struct {
	t       testing.TB
	addr    string
	clients map[[2]string]*client
}

func (b *broker) client(user, id string) *client {
	b.t.Helper()
	key := [2]string{user, id}
	if b.clients[key] == nil {
		var secret []byte
		if user != "" {
			secret = []byte(password)
		}
		c, ok := dial(b.t, b.addr, user, secret, id)
		if !ok {
			b.t.Fatalf("Mosquitto refuses %q", user)
		}
		b.clients[key] = c
	}
	return b.clients[key]
}

func (b *broker) answer(q question) bool {
	b.t.Helper()
	c := b.client(q.user, q.client)
	if q.write {
		return c.publish(q.topic)
	}
	c.subscribe(q.topic)
	b.client("admin", "adm").publish(q.topic)
	defer c.unsubscribe(q.topic)
	return slices.Contains(c.received(), q.topic)
}

func TestAuthenticate_AnswersAsMosquittoDoes(t *testing.T) {
	t.Parallel()
	files := writeFiles(t)
	ours := mustOpen(t, files)
	addr := mosquitto(t, files)
	for _, c := range []struct {
		user     string
		password []byte
		want     bool
	}{
		{"", nil, true},
		{"pump-1", []byte(password), true},
		{"pump-1", []byte(password + " "), false},
		{"pump-1", []byte("wrong"), false},
		{"pump-1", []byte{}, false},
		{"pump-1", nil, false},
		{"old", []byte(password), true},
		{"old", []byte("wrong"), false},
		{"a b", []byte(password), true},
		{"x/y", []byte(password), true},
		{"stranger", []byte(password), false},
		{"stranger", nil, false},
		{"PUMP-1", []byte(password), false},
	} {
		_, theirs := dial(t, addr, c.user, c.password, "client")
		got := ours.Authenticate(c.user, c.password)
		if got != c.want || theirs != c.want {
			t.Errorf("%q, %q: got %t, Mosquitto says %t, want %t", c.user, c.password, got, theirs, c.want)
		}
	}
}

// Mosquitto grants every SUBSCRIBE and delivers nothing; we refuse.
func TestSubscribe_RefusesWhatMosquittoNeverDelivers(t *testing.T) {
	t.Parallel()
	files := writeFiles(t)
	rights := mustOpen(t, files).Rights("pump-1", "p1")
	c, _ := dial(t, mosquitto(t, files), "pump-1", []byte(password), "p1")
	for filter, want := range map[string]bool{"commands/+": true, "data/#": false, "client/p1/locked": false} {
		if !c.subscribe(filter) {
			t.Errorf("Mosquitto refuses SUBSCRIBE %s", filter)
		}
		if got := rights.Subscribe(filter); got != want {
			t.Errorf("Subscribe(%q) is %t, want %t", filter, got, want)
		}
	}
}
