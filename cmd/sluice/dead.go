package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"sluice/app"
	"sluice/config"
	"sluice/store"
	"sluice/store/postgres"
)

func (c *cli) deadCommand() *cobra.Command {
	cmd := group("dead", "Look at dead letters, queue them again, or drop them",
		c.deadList(), c.deadShow(), c.deadReplay(), c.deadDrop())
	cmd.Long = "A dead letter is a message that could never be handled, kept with the reason. Names chosen by\n" +
		"devices are printed with control characters escaped."
	return cmd
}

// deadSelection is how list, replay and drop choose letters.
type deadSelection struct {
	filter store.DeadFilter
	since  time.Duration
	all    bool
	ids    []int64
}

func (s *deadSelection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.filter.Facility, "facility", "", "only of this facility")
	cmd.Flags().StringVar(&s.filter.Route, "route", "", "only of this route")
	cmd.Flags().StringVar(&s.filter.Device, "device", "", "only of this device")
	cmd.Flags().StringVar(&s.filter.Reason, "reason", "", "only for this reason (decode, conflict, ...)")
	cmd.Flags().DurationVar(&s.since, "since", 0, "only of the last `duration`, such as 24h")
}

// read completes the selection with the arguments of replay or drop, which must
// say clearly what they are for.
func (s *deadSelection) read(args []string) (err error) {
	narrowed := s.filter != (store.DeadFilter{}) || s.since != 0
	switch {
	case len(args) > 0 && (s.all || narrowed):
		return &usageError{errors.New("give ids or flags that choose, not both")}
	case len(args) == 0 && !s.all && !narrowed:
		return &usageError{errors.New("choose letters: ids, --facility, --route, --device, --reason, --since, or --all")}
	}
	s.ids, err = parseIDs(args)
	return err
}

func (s *deadSelection) resolve() store.DeadFilter {
	if s.since > 0 {
		s.filter.Since = time.Now().Add(-s.since)
	}
	return s.filter
}

// pages calls do with the ids of the chosen letters, deadPage at a time, from the
// newest to the oldest. Letters that arrive meanwhile are left alone.
func (s *deadSelection) pages(ctx context.Context, pool *pgxpool.Pool, do func([]int64) error) error {
	for chunk := range slices.Chunk(s.ids, deadPage) {
		if err := do(chunk); err != nil {
			return err
		}
	}
	if len(s.ids) > 0 {
		return nil
	}
	filter := s.resolve()
	for before := int64(0); ; {
		letters, err := postgres.ListDead(ctx, pool, filter, before, deadPage)
		if err != nil || len(letters) == 0 {
			return err
		}
		ids := make([]int64, len(letters))
		for i, l := range letters {
			ids[i] = l.ID
		}
		before = ids[len(ids)-1]
		if err := do(ids); err != nil {
			return err
		}
	}
}

// deadPage is how many letters are replayed or dropped in one step.
const deadPage = 500

func (c *cli) deadList() *cobra.Command {
	var sel deadSelection
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, newest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return &usageError{fmt.Errorf("--limit %d: use 1 or more", limit)}
			}
			return c.withPool(cmd, func(pool *pgxpool.Pool, _ *config.Config) error {
				letters, err := postgres.ListDead(cmd.Context(), pool, sel.resolve(), 0, limit)
				if err != nil {
					return err
				}
				if letters == nil {
					letters = []store.StoredDead{}
				}
				return c.print(cmd, letters, func(t *table) { deadTable(t, letters) })
			})
		},
	}
	sel.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", 50, "at most `N`")
	return cmd
}

func deadTable(t *table, letters []store.StoredDead) {
	if len(letters) == 0 {
		t.row("no dead letters")
		return
	}
	t.row("ID", "AT", "FACILITY", "ROUTE", "DEVICE", "REASON", "BYTES", "DETAIL")
	for _, l := range letters {
		t.row(l.ID, moment(l.At), l.Facility, l.Route, l.Device, l.Reason, len(l.Payload), l.Detail)
	}
}

func (c *cli) deadShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show one dead letter whole", Args: someArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}
			return c.withPool(cmd, func(pool *pgxpool.Pool, _ *config.Config) error {
				letters, err := postgres.GetDead(cmd.Context(), pool, ids...)
				if err != nil {
					return err
				}
				if len(letters) == 0 {
					return fmt.Errorf("no dead letter has the id %d; `sluice dead list` shows those there are", ids[0])
				}
				return c.print(cmd, letters[0], func(t *table) { deadDetails(t, letters[0]) })
			})
		},
	}
}

func deadDetails(t *table, l store.StoredDead) {
	t.row("id", l.ID)
	t.row("facility", l.Facility)
	t.row("route", l.Route)
	t.row("topic", l.Topic)
	t.row("device", l.Device)
	t.row("reason", l.Reason)
	t.row("code", l.Code)
	t.row("detail", l.Detail)
	t.row("received", l.Received.Local().Format(time.RFC3339Nano))
	t.row("given up", l.At.Local().Format(time.RFC3339Nano))
	t.row("batch", fmt.Sprintf("%s, message %d", l.Batch, l.Index))
	t.row("payload", fmt.Sprintf("%d bytes: %s", len(l.Payload), hex.EncodeToString(l.Payload)))
}

func (c *cli) deadReplay() *cobra.Command {
	var sel deadSelection
	cmd := &cobra.Command{
		Use: "replay [ID ...]", Short: "Queue dead letters again, as the messages that they were",
		Long: "Give ids, or narrow with flags, or --all: those of the running router's facility. It queues them and\n" +
			"removes them here. A letter that is refused again comes back under a new id. If the router dies while\n" +
			"it replays, some may be stored twice on a route without a key.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := sel.read(args); err != nil {
				return err
			}
			return c.withPool(cmd, func(pool *pgxpool.Pool, conf *config.Config) error {
				n, err := replay(cmd.Context(), pool, app.NewAdminClient(socket(conf.Admin)), &sel)
				if err != nil {
					return fmt.Errorf("after %d: %w", n, err)
				}
				return c.print(cmd, app.ReplayResult{Replayed: n}, func(t *table) { t.row(fmt.Sprintf("queued again: %d", n)) })
			}, "admin")
		},
	}
	sel.flags(cmd)
	cmd.Flags().BoolVar(&sel.all, "all", false, "all dead letters of the facility")
	return cmd
}

func replay(ctx context.Context, pool *pgxpool.Pool, router *app.AdminClient, sel *deadSelection) (n int, err error) {
	status, err := router.Status(ctx)
	if err != nil {
		return 0, err
	}
	sel.filter.Facility = cmp.Or(sel.filter.Facility, status.Facility)
	err = sel.pages(ctx, pool, func(ids []int64) error {
		r, err := router.Replay(ctx, app.ReplayRequest{IDs: ids})
		n += r.Replayed
		return err
	})
	return n, err
}

func (c *cli) deadDrop() *cobra.Command {
	var sel deadSelection
	cmd := &cobra.Command{
		Use: "drop [ID ...]", Short: "Remove dead letters for good",
		Long: "Give ids, or narrow with flags, or --all. It needs the owner of the schemas (see db migrate --help).",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := sel.read(args); err != nil {
				return err
			}
			return c.withPool(cmd, func(pool *pgxpool.Pool, _ *config.Config) error {
				n := int64(0)
				err := sel.pages(cmd.Context(), pool, func(ids []int64) error {
					dropped, err := postgres.DropDead(cmd.Context(), pool, ids...)
					n += dropped
					return err
				})
				if err != nil {
					return fmt.Errorf("after %d: %w", n, err)
				}
				return c.print(cmd, map[string]int64{"dropped": n}, func(t *table) { t.row(fmt.Sprintf("dropped: %d", n)) })
			})
		},
	}
	sel.flags(cmd)
	cmd.Flags().BoolVar(&sel.all, "all", false, "all dead letters, of all facilities")
	return cmd
}

func parseIDs(args []string) ([]int64, error) {
	ids := make([]int64, len(args))
	for i, arg := range args {
		id, err := strconv.ParseInt(arg, 10, 64)
		if err != nil || id < 1 {
			return nil, &usageError{fmt.Errorf("%q is no id of a dead letter; `sluice dead list` shows them", arg)}
		}
		ids[i] = id
	}
	return ids, nil
}
