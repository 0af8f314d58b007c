package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice"
	"sluice/app"
)

func (c *cli) deviceCommand() *cobra.Command {
	return group("device", "List devices, forget one, mute its reports, or stop a simulated one",
		c.deviceList(), c.deviceForget(), c.deviceMute(), c.deviceUnmute(), c.deviceStop())
}

// maxList is the highest limit of a list: as many devices as there can be.
const maxList = 10_000_000

func (c *cli) deviceList() *cobra.Command {
	var state string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List the known devices by name, with their state", Args: noArgs,
		Long: "Lists the devices that the router knows, in order of their names.\n\n" +
			"SINCE is, of a device that is up, when it last connected, unless there was an outage after that; of one\n" +
			"that is suspect, since when nothing was heard of it; of one that is down, when its outage began. SEEN may\n" +
			"be 30 s old. DUE is when it goes down if nothing comes. CAUSE says why it went down, or would:\n" +
			"  lwt     its last will was published\n" +
			"  silent  nothing came of it for the silent_after of its route\n" +
			"  grace   it has not come back after a restart of the broker",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkList(state, limit); err != nil {
				return err
			}
			client, err := c.admin()
			if err != nil {
				return err
			}
			first, err := listDevices(cmd.Context(), client, state, limit)
			if err != nil {
				return err
			}
			return c.print(cmd, first, func(t *table) { deviceTable(t, first) })
		},
	}
	cmd.Flags().StringVar(&state, "state", "", "only those that are up, suspect or down")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most `N`")
	return cmd
}

func checkList(state string, limit int) error {
	words := []string{"", sluice.DeviceUp.String(), sluice.DeviceSuspect.String(), sluice.DeviceDown.String()}
	if !slices.Contains(words, state) {
		return &usageError{fmt.Errorf("--state %q: use up, suspect or down", state)}
	}
	if limit < 1 || limit > maxList {
		return &usageError{fmt.Errorf("--limit %d: use 1 to %d", limit, maxList)}
	}
	return nil
}

// listDevices asks for all devices, since they come in no order.
func listDevices(ctx context.Context, client *app.AdminClient, state string, limit int) (*firstDevices, error) {
	first := &firstDevices{Devices: []app.DeviceStatus{}, limit: limit}
	for cursor, begun := "", false; cursor != "" || !begun; begun = true {
		page, err := client.Devices(ctx, cursor)
		if err != nil {
			return nil, err
		}
		first.add(slices.DeleteFunc(page.Devices, func(d app.DeviceStatus) bool { return state != "" && d.State != state }))
		cursor = page.Next
	}
	first.cut()
	return first, nil
}

// firstDevices are the first devices by name of all that are added. It never
// holds more than twice the limit and a page.
type firstDevices struct {
	Devices []app.DeviceStatus `json:"devices"`
	// More: there are others.
	More bool `json:"more"`

	limit int
}

func (f *firstDevices) add(page []app.DeviceStatus) {
	f.Devices = append(f.Devices, page...)
	if len(f.Devices) > 2*f.limit {
		f.cut()
	}
}

// cut sorts, and leaves out what is above the limit. A device may have come
// twice.
func (f *firstDevices) cut() {
	slices.SortFunc(f.Devices, func(a, b app.DeviceStatus) int { return strings.Compare(a.Device, b.Device) })
	f.Devices = slices.CompactFunc(f.Devices, func(a, b app.DeviceStatus) bool { return a.Device == b.Device })
	if len(f.Devices) > f.limit {
		f.Devices, f.More = f.Devices[:f.limit], true
	}
}

func deviceTable(t *table, first *firstDevices) {
	if len(first.Devices) == 0 {
		t.row("no devices")
		return
	}
	t.row("DEVICE", "STATE", "SINCE", "SEEN", "DUE", "CAUSE", "MUTED UNTIL", "FLAPPING")
	for _, d := range first.Devices {
		t.row(d.Device, d.State, moment(since(d)), moment(d.Seen), moment(d.Deadline), cause(d), moment(d.Muted), yes(d.Flapping))
	}
	if first.More {
		t.row(fmt.Sprintf("there are more than these %d; use --limit or --state", len(first.Devices)))
	}
}

// since is when the device got into its state, zero when that is not known: one
// that came back with a reading has not connected anew.
func since(d app.DeviceStatus) time.Time {
	switch {
	case d.State == sluice.DeviceSuspect.String():
		return d.Lost
	case d.State == sluice.DeviceDown.String():
		return d.Down
	case d.Connected.After(d.Down):
		return d.Connected
	}
	return time.Time{}
}

// cause is that of the deadline, or of the outage that goes on.
func cause(d app.DeviceStatus) string {
	switch {
	case d.Due != "":
		return d.Due
	case d.State == sluice.DeviceDown.String():
		return d.Cause
	}
	return none
}

func (c *cli) deviceForget() *cobra.Command {
	return &cobra.Command{
		Use: "forget NAME", Short: "Forget a device that is out of service", Args: someArgs(1),
		Long: "A device that is forgotten is listed no more, and no outage of it is reported. Its readings and outages\n" +
			"stay in the database. With its next connect it is known again, as a new one, or with a message within 30 s.",
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.deviceAdmin(args[0])
			if err != nil {
				return err
			}
			if err := client.ForgetDevice(cmd.Context(), args[0]); err != nil {
				return err
			}
			return c.print(cmd, map[string]string{"forgotten": args[0]}, func(t *table) { t.row("forgot " + args[0]) })
		},
	}
}

// deviceAdmin is admin for a command on one device. A word that no device can be
// named by is a usage mistake.
func (c *cli) deviceAdmin(name string) (*app.AdminClient, error) {
	if !sluice.ValidName(name) {
		return nil, &usageError{fmt.Errorf("%q is no device: %s", name, sluice.NameRule)}
	}
	return c.admin()
}

func (c *cli) deviceMute() *cobra.Command {
	var d time.Duration
	cmd := &cobra.Command{
		Use: "mute NAME --for DURATION", Short: "Have no outage of a device reported for a while", Args: someArgs(1),
		DisableFlagsInUseLine: true,
		Long: "Outages that begin while a device is muted are kept in the history; neither they nor their end are\n" +
			"reported. The end of one that was reported before is. --for 0s ends it, as `sluice device unmute` does.",
		Example: "  sluice device mute kiln-1 --for 2h30m",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("for") {
				return &usageError{errors.New("say for how long, such as --for 2h; --for 0s ends it")}
			}
			if err := app.CheckMute(d); err != nil {
				return &usageError{fmt.Errorf("--for: %w", err)}
			}
			return c.mute(cmd, args[0], d)
		},
	}
	cmd.Flags().DurationVar(&d, "for", 0, "for how long: a `duration` such as 2h")
	return cmd
}

func (c *cli) deviceUnmute() *cobra.Command {
	return &cobra.Command{
		Use: "unmute NAME", Short: "Have the outages of a muted device reported again", Args: someArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.mute(cmd, args[0], 0) },
	}
}

func (c *cli) mute(cmd *cobra.Command, name string, d time.Duration) error {
	client, err := c.deviceAdmin(name)
	if err != nil {
		return err
	}
	r, err := client.MuteDevice(cmd.Context(), name, d)
	if err != nil {
		return err
	}
	result := struct {
		Device string    `json:"device"`
		Muted  time.Time `json:"muted_until,omitzero"`
	}{name, r.Until}
	return c.print(cmd, result, func(t *table) {
		if r.Until.IsZero() {
			t.row(name + " is not muted")
			return
		}
		t.row(name + " is muted until " + moment(r.Until))
	})
}

func (c *cli) deviceStop() *cobra.Command {
	var d time.Duration
	cmd := &cobra.Command{
		Use: "stop NAME", Short: "Drop the connection of a simulated device of `sluice up --demo` for a while", Args: someArgs(1),
		Long: "The device vanishes without a word, as if it had lost its power: after the delay of its last will (10 s) the\n" +
			"outage is reported. When the time is over it connects again and sends what it has kept, which ends the outage.",
		Example: "  sluice device stop demo-0007 --for 30s",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := app.CheckStop(d); err != nil {
				return &usageError{fmt.Errorf("--for: %w", err)}
			}
			client, err := c.deviceAdmin(args[0])
			if err != nil {
				return err
			}
			if err := client.StopDevice(cmd.Context(), args[0], d); err != nil {
				return err
			}
			result := map[string]string{"stopped": args[0], "for": d.String()}
			return c.print(cmd, result, func(t *table) { t.row(fmt.Sprintf("%s is gone for %v", args[0], d)) })
		},
	}
	cmd.Flags().DurationVar(&d, "for", 30*time.Second, "for how long: a `duration`")
	return cmd
}
