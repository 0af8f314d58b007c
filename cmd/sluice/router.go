package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sluice"
	"sluice/app"
	"sluice/config"
)

// The commands of this file talk to a running router through its admin socket.

func (c *cli) admin() (*app.AdminClient, error) {
	conf, err := c.load("admin")
	if err != nil {
		return nil, err
	}
	return app.NewAdminClient(socket(conf.Admin)), nil
}

// socket is the admin socket to use: where no configuration names one, that of a
// `sluice up` in this folder, if there is one.
func socket(configured string) string {
	up := filepath.Join(app.UpFolder, app.AdminSocket)
	if _, err := os.Stat(up); err == nil && configured == config.Default().Admin {
		return up
	}
	return configured
}

func (c *cli) routerStatus(ctx context.Context) (app.Status, error) {
	client, err := c.admin()
	if err != nil {
		return app.Status{}, err
	}
	return client.Status(ctx)
}

func (c *cli) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Tell whether the router is well (exit 1 if something is wrong)", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.routerStatus(cmd.Context())
			if err != nil {
				return err
			}
			faults := s.Faults()
			err = c.print(cmd, struct {
				app.Status
				Faults []string `json:"faults"`
			}{s, faults}, func(t *table) { statusTable(t, s, faults) })
			if err == nil && len(faults) > 0 {
				return errSaid
			}
			return err
		},
	}
}

func statusTable(t *table, s app.Status, faults []string) {
	role := "standing by"
	_, door := s.Checks["door"]
	switch {
	case s.Leading && door:
		role = "open to devices"
	case s.Leading:
		role = "reading the broker"
	}
	t.row("facility", s.Facility)
	t.row("version", s.Version)
	t.row("router", role)
	for _, name := range slices.Sorted(maps.Keys(s.Checks)) {
		t.row(name, s.Checks[name])
	}
	if d := s.Devices; d != (sluice.PresenceCounts{}) {
		t.row("devices", fmt.Sprintf("%d up, %d suspect, %d down", d.Up, d.Suspect, d.Down))
	}
	for _, q := range queues(s) {
		t.row("queue "+q.Queue, fmt.Sprintf("%d waiting, oldest %s", q.Queued(), short(q.OldestAge)))
	}
	if len(faults) == 0 {
		t.row("all is well")
	}
	for _, f := range faults {
		t.row("WRONG", f)
	}
}

// queues leaves out the account that is no queue.
func queues(s app.Status) []sluice.QueueStatus {
	return slices.DeleteFunc(slices.Clone(s.Queues), func(q sluice.QueueStatus) bool { return q.Queue == sluice.AccountPresence })
}

// ownQueues is for the help of what lists queues.
const ownQueues = "Beside the routes of the configuration there are the router's own: $dead has dead letters on their way\n" +
	"to the database, $device changes of devices, lwt outages and recoveries, $notify/NAME reports to a receiver."

func (c *cli) accountCommand() *cobra.Command {
	return &cobra.Command{
		Use: "account", Short: "Show that every message is accounted for (exit 1 if not)", Args: noArgs,
		Long: "For every route: received = stored + duplicate + dead + dropped (by cause) + queued.\n" +
			"The terms are counted apart, so off must be 0.\n\n" + ownQueues + "\n" +
			"$presence counts the messages on connect and lwt, which wait in no queue.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.routerStatus(cmd.Context())
			if err != nil {
				return err
			}
			off := false
			err = c.print(cmd, s.Queues, func(t *table) {
				t.row("ROUTE", "RECEIVED", "STORED", "DUPLICATE", "DEAD", "DROPPED", "QUEUED", "OFF")
				for _, q := range s.Queues {
					a := q.Account
					t.row(q.Queue, a.Received, a.Stored, a.Duplicate, a.Dead, drops(a), q.Queued(), q.Balance())
				}
			})
			for _, q := range s.Queues {
				off = off || q.Balance() != 0
			}
			if err == nil && off {
				return errSaid
			}
			return err
		},
	}
}

// drops lists the causes, "0" without any.
func drops(a sluice.Account) string {
	var causes []string
	for _, cause := range slices.Sorted(maps.Keys(a.Dropped)) {
		if n := a.Dropped[cause]; n > 0 {
			causes = append(causes, fmt.Sprintf("%s:%d", cause, n))
		}
	}
	return cmp.Or(strings.Join(causes, " "), "0")
}

func (c *cli) routeCommand() *cobra.Command {
	return group("route", "List routes, or resume a halted one", c.routeList(), c.routeResume())
}

func (c *cli) routeList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the routes with their depth and state", Args: noArgs,
		Long: ownQueues,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := c.routerStatus(cmd.Context())
			if err != nil {
				return err
			}
			all := queues(s)
			return c.print(cmd, all, func(t *table) {
				t.row("ROUTE", "OPEN", "SEALED", "CLAIMED", "RETRY", "BATCHES", "BYTES", "OLDEST", "STATE")
				for _, q := range all {
					state := "runs"
					if q.Halted != "" {
						state = "halted: " + q.Halted
					}
					t.row(q.Queue, q.Open, q.Sealed, q.Claimed, q.Retry, q.Batches, q.Bytes, short(q.OldestAge), state)
				}
			})
		},
	}
}

func (c *cli) routeResume() *cobra.Command {
	return &cobra.Command{
		Use: "resume ROUTE", Short: "Have a route try its waiting batches now", Args: someArgs(1),
		Long: "Has a route try its waiting batches now, once whatever halted it is mended. That of a receiver is\n" +
			"$notify/NAME; quote it for the shell.",
		Example: "  sluice route resume data/sensor\n  sluice route resume '$notify/groupme'",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.admin()
			if err != nil {
				return err
			}
			if err := client.Resume(cmd.Context(), args[0]); err != nil {
				return err
			}
			return c.print(cmd, map[string]string{"resumed": args[0]}, func(t *table) { t.row("resumed " + args[0]) })
		},
	}
}
