package access

import (
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// pollEvery is how often the files are looked at, at most.
const pollEvery = time.Second

// Files say who may come in. The zero value lets everybody do everything, which
// is for loopback only.
type Files struct {
	Passwords string // path of the password file; "" for none
	ACL       string // path of the ACL file; "" lets those who came in do everything

	// AllowAnonymous lets clients without a user name in. Without either file
	// they are in anyway.
	AllowAnonymous bool
}

// Access answers who may come in and what they may do. It follows changes of the
// files: when it is asked, it looks at them once a second at most, and takes a
// new content over when it has rested from one look to the next. A file that is
// broken or gone is logged once and changes nothing. Safe for concurrent use.
type Access struct {
	files Files
	log   *slog.Logger
	now   atomic.Pointer[rules]

	// turns keeps half of the processors free of hashing, for messages.
	turns chan struct{}

	started time.Time
	due     atomic.Int64 // of the next poll, in ns since started
	mu      sync.Mutex   // guards what follows, and changes of now
	users   source[*users]
	acl     source[*acl]
}

// rules are both files at a time. They do not change.
type rules struct {
	generation uint64
	users      *users // nil without a file
	acl        *acl   // nil without a file
}

// Open reads the files. Its error names every faulty line of both, and what to
// do.
func Open(files Files, log *slog.Logger) (*Access, error) {
	a := &Access{
		files:   files,
		log:     log,
		turns:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		started: time.Now(),
		users:   source[*users]{path: files.Passwords, parse: parsePasswords},
		acl:     source[*acl]{path: files.ACL, parse: parseACL},
	}
	first, err := a.read()
	if err != nil {
		return nil, err
	}
	a.due.Store(int64(pollEvery))
	a.now.Store(first)
	return a, nil
}

// AsksPassword tells whether there is a password file, so that nobody comes in without a
// password.
func (a *Access) AsksPassword() bool { return a.files.Passwords != "" }

func (a *Access) read() (*rules, error) {
	r := &rules{generation: 1}
	var wrongUsers, wrongACL error
	if a.files.Passwords != "" {
		r.users, wrongUsers = a.users.open()
	}
	if a.files.ACL != "" {
		r.acl, wrongACL = a.acl.open()
	}
	return r, errors.Join(wrongUsers, wrongACL)
}

// Authenticate tells whether a client with this name and password may come in;
// user is "" when CONNECT has none. An unknown name costs as much as the usual
// known one: 60 us of CPU at mosquitto_passwd's 101 iterations, in proportion at
// others. So 10 000 devices that come back at once take 0.6 s of one processor,
// at 10 000 iterations a minute. Half of the processors do this; further callers
// wait.
//
// A caller that keeps the generation for StillValid takes it before.
func (a *Access) Authenticate(user string, password []byte) bool {
	now := a.current()
	switch {
	case a.open():
		return true
	case user == "":
		return a.files.AllowAnonymous
	case now.users == nil:
		return false
	}
	a.turns <- struct{}{}
	defer func() { <-a.turns }()
	return now.users.verify(user, password)
}

// Rights returns what a client may do by the files as they are now; user is ""
// without a name. Whether the client is who it says is not asked: names may
// also come from a certificate. client is the id by which the server knows it.
func (a *Access) Rights(user, client string) *Rights {
	now := a.current()
	if now.acl == nil {
		return &Rights{all: true}
	}
	return now.acl.rights(user, client)
}

// Generation grows when new files are taken over. The server asks for it once a
// second, which is what keeps the files looked at, and then gives each
// connection that has another one its Rights anew, or its end if it is no longer
// StillValid.
func (a *Access) Generation() uint64 { return a.current().generation }

// StillValid tells whether a user who came in by password at a generation may
// stay: the user still exists, with the same hash ever since. Without a password
// file all may stay. Do not ask for users who came in by certificate.
func (a *Access) StillValid(user string, generation uint64) bool {
	now := a.current()
	switch {
	case a.open():
		return true
	case user == "":
		return a.files.AllowAnonymous
	case now.users == nil:
		return true
	}
	one, known := now.users.byName[user]
	return known && one.since <= generation
}

// open reports whether everybody may do everything.
func (a *Access) open() bool { return a.files.Passwords == "" && a.files.ACL == "" }

// current returns the rules after a look at the files, if one is due. One caller
// looks, the others go on.
func (a *Access) current() *rules {
	if !a.open() {
		due, now := a.due.Load(), int64(time.Since(a.started))
		if now >= due && a.due.CompareAndSwap(due, now+int64(pollEvery)) {
			a.poll()
		}
	}
	return a.now.Load()
}

func (a *Access) poll() {
	a.mu.Lock()
	defer a.mu.Unlock()
	before := a.now.Load()
	next := *before
	next.generation++
	u, freshUsers, wrongUsers := a.users.poll()
	if freshUsers {
		u.dateFrom(before.users, next.generation)
		next.users = u
	}
	l, freshACL, wrongACL := a.acl.poll()
	if freshACL {
		next.acl = l
	}
	a.report(a.files.Passwords, wrongUsers)
	a.report(a.files.ACL, wrongACL)
	if freshUsers || freshACL {
		a.now.Store(&next)
		a.log.Info("users and rights taken over from changed files", "generation", next.generation)
	}
}

func (a *Access) report(path string, err error) {
	if err != nil {
		a.log.Error("changed file is broken; the rules before it stay", "file", path, "err", err)
	}
}
