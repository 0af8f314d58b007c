package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"sluice/app"
	"sluice/config"
)

func (c *cli) notifyCommand() *cobra.Command {
	return group("notify", "Try the receivers of outage reports", c.notifyTest())
}

func (c *cli) notifyTest() *cobra.Command {
	return &cobra.Command{
		Use: "test [NAME]", Short: "Send a test message to every receiver, or to one (exit 1 if one does not take it)",
		Args: func(cmd *cobra.Command, args []string) error { return someArgs(min(len(args), 1))(cmd, args) },
		Long: "Sends a test message once, by itself: no router is needed, and reports that wait for a receiver are not\n" +
			"touched. One of kind log writes to the log of this command.",
		RunE: func(cmd *cobra.Command, args []string) error {
			conf, err := c.load("facility", "notify")
			if err != nil {
				return err
			}
			receivers, err := choose(conf.Notify, args)
			if err != nil {
				return err
			}
			log := app.NewLogger(cmd.ErrOrStderr(), "sluice", conf.LogLevel())
			results := app.TestReceivers(cmd.Context(), conf.Facility, receivers, log)
			if err := c.print(cmd, results, func(t *table) { receiverTable(t, results) }); err != nil {
				return err
			}
			if slices.ContainsFunc(results, func(r app.ReceiverResult) bool { return r.Error != "" }) {
				return errSaid
			}
			return nil
		},
	}
}

// choose returns the receivers of these names, all without a name.
func choose(all []config.Notify, names []string) ([]config.Notify, error) {
	if len(names) == 0 {
		return all, nil
	}
	var known []string
	for _, n := range all {
		if slices.Contains(names, n.Name) {
			return []config.Notify{n}, nil
		}
		known = append(known, n.Name)
	}
	if len(known) == 0 {
		return nil, errors.New(noReceivers)
	}
	return nil, fmt.Errorf("no receiver has the name %q; the configuration has %s", names[0], strings.Join(known, ", "))
}

const noReceivers = "no receivers: `notify` of the configuration is empty, nobody is told of outages"

func receiverTable(t *table, results []app.ReceiverResult) {
	if len(results) == 0 {
		t.row(noReceivers)
		return
	}
	t.row("RECEIVER", "KIND", "RESULT")
	for _, r := range results {
		result := "ok"
		if r.Error != "" {
			result = r.Error
		}
		t.row(r.Name, r.Kind, result)
	}
}
