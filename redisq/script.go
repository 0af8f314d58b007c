package redisq

import (
	"context"
	"embed"
	"fmt"
	"strings"

	"github.com/redis/rueidis"
)

//go:embed scripts/*.lua
var sources embed.FS

// scripts are the moves of the queue. Each is sent by its digest; a server that
// does not know it yet (NOSCRIPT: restarted, SCRIPT FLUSH) gets its text.
type scripts struct {
	append, seal, claim, extend, complete, release, resume, note, status script
	lease, renew, unlease, forget, subscribe                             script
	clock, offset, attend, unheard, due, grace, forgetDevice, muteDevice script
	enterDoor, doors, connect, subscribeClient, disconnect, inherit      script
	pruneClients                                                         script
}

type script struct {
	name string
	lua  *rueidis.Lua
}

func loadScripts() scripts {
	return scripts{
		append:    load("append", "clock", "open", "dead", "device", "client"),
		seal:      load("seal", "clock", "open"),
		claim:     load("claim", "clock", "taken"),
		extend:    load("extend", "clock", "taken"),
		complete:  load("complete", "clock", "open", "taken", "dead"),
		release:   load("release", "clock", "taken"),
		resume:    load("resume", "clock", "taken"),
		note:      load("note", "taken"),
		status:    load("status", "clock"),
		lease:     load("lease", "clock"),
		renew:     load("renew", "clock"),
		unlease:   load("unlease", "clock"),
		forget:    load("forget"),
		subscribe: load("subscribe"),

		clock:        load("clock", "clock"),
		offset:       load("offset"),
		attend:       load("attend"),
		unheard:      load("unheard"),
		due:          load("due", "clock", "open", "device"),
		grace:        load("grace", "clock", "open", "device"),
		forgetDevice: load("forget_device", "clock", "open", "device"),
		muteDevice:   load("mute_device", "clock", "open", "device"),

		enterDoor:       load("enter_door"),
		doors:           load("doors", "clock"),
		connect:         load("connect", "clock", "open", "device", "client"),
		subscribeClient: load("subscribe_client", "client"),
		disconnect:      load("disconnect", "clock", "client"),
		inherit:         load("inherit", "clock", "open", "device", "client"),
		pruneClients:    load("prune_clients", "clock", "client"),
	}
}

// load composes a script and the libraries that it names. Redis demands the
// line of flags first.
func load(name string, libraries ...string) script {
	text := source(name)
	flags := ""
	if strings.HasPrefix(text, "#!") {
		var rest string
		flags, rest, _ = strings.Cut(text, "\n")
		flags, text = flags+"\n", rest
	}
	var b strings.Builder
	b.WriteString(flags)
	for _, l := range libraries {
		b.WriteString(source("lib_" + l))
	}
	b.WriteString(text)
	return script{name, rueidis.NewLuaScript(b.String())}
}

func source(name string) string {
	text, err := sources.ReadFile("scripts/" + name + ".lua")
	if err != nil {
		panic(err) //nolint:forbidigo // not embedded: a defect of this program
	}
	return string(text)
}

// run executes the script and returns its reply, an array.
func (q *Queue) run(ctx context.Context, s script, keys, args []string) ([]rueidis.RedisMessage, error) {
	reply, err := s.lua.Exec(ctx, q.client, keys, args).ToArray()
	if err != nil {
		return nil, fmt.Errorf("redis %s: %w", s.name, err)
	}
	return reply, nil
}

// flag executes a script that answers 1 or 0.
func (q *Queue) flag(ctx context.Context, s script, keys, args []string) (bool, error) {
	n, err := s.lua.Exec(ctx, q.client, keys, args).AsInt64()
	if err != nil {
		return false, fmt.Errorf("redis %s: %w", s.name, err)
	}
	return n != 0, nil
}
