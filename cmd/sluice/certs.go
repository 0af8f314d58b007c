package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sluice/certs"
)

func (c *cli) certsCommand() *cobra.Command {
	cmd := group("certs", "Make a private authority, and certificates for servers, services, devices and readers",
		c.certsInit(), c.certsIssue(), c.certsRenew(), c.certsList())
	cmd.Long = "Keeps an authority and its certificates in a folder: ca.crt, ca.key, and NAME.crt and NAME.key of each (ECDSA\n" +
		"P-256, PEM; keys 0600). Nothing is overwritten. There is no revocation: certificates are short-lived, and\n" +
		"`sluice certs renew` runs once a day. Who has ca.key can be anybody: keep the folder where no service runs, and\n" +
		"take to each machine ca.crt and what is its own."
	return cmd
}

func (c *cli) certsInit() *cobra.Command {
	life := life(3650 * certs.Day)
	cmd := &cobra.Command{
		Use: "init DIR", Short: "Make an authority", Args: oneFolder(1, 1),
		Example: "  sluice certs init certs",
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := certs.Init(args[0], time.Duration(life))
			if err != nil {
				return err
			}
			ca := folder.Authority()
			return c.print(cmd, ca, func(t *table) {
				t.row(ca.Cert, "give it to all, as ca, cafile, client_ca")
				t.row(ca.Key, "give it to nobody: who has it can be anybody")
			})
		},
	}
	cmd.Flags().Var(&life, "days", "let it live for `N` days; no certificate lives longer")
	return cmd
}

// issueFlags are what `certs issue` is told.
type issueFlags struct {
	kind  string
	hosts []string
	life  life
}

func (c *cli) certsIssue() *cobra.Command {
	f := &issueFlags{life: life(30 * certs.Day)}
	cmd := &cobra.Command{
		Use: "issue DIR NAME... --kind KIND", Short: "Make a key and a certificate", Args: oneFolder(2, 0),
		Long: "Makes DIR/NAME.key and DIR/NAME.crt, for each name. The name is the certificate's common name: the user at\n" +
			"the front door, at a Mosquitto with use_identity_as_username, and at a PostgreSQL whose pg_hba.conf says cert.\n" +
			"The kind decides what it is good for:\n" +
			"  broker               a server at the hosts given\n" +
			"  redis, postgres      a server at the hosts given, and a client of its primary\n" +
			"  api                  a server at the hosts given, and a client of PostgreSQL\n" +
			"  batch-router         a client of broker, Redis and PostgreSQL; the front door, at the hosts given\n" +
			"  clock, device        a client of the broker or the front door\n" +
			"  client               a reader of the api: its name in api.clients. No other kind opens the api",
		Example: "  sluice certs issue certs broker --kind broker --host broker.plant-1.example --host 10.0.0.5\n" +
			"  sluice certs issue certs router --kind batch-router\n" +
			"  sluice certs issue certs dev-1 dev-2 --kind device --days 90\n" +
			"  sluice certs issue certs analyst --kind client",
		RunE: func(cmd *cobra.Command, args []string) error {
			requests, err := f.requests(args[1:])
			if err != nil {
				return err
			}
			made, err := issueAll(args[0], requests)
			return errors.Join(c.tellCertificates(cmd, made, err), err)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.kind, "kind", "", "make it for a `KIND`: broker, redis, postgres, api, batch-router, clock, device or client")
	flags.StringArrayVar(&f.hosts, "host", nil, "let clients reach the server by this DNS `NAME` or IP address; may be repeated")
	flags.Var(&f.life, "days", "let it live for `N` days, 1 to 825, or until the authority ends")
	return cmd
}

func (f *issueFlags) requests(names []string) ([]certs.Request, error) {
	if f.kind == "" {
		return nil, &usageError{errors.New("say what it is for: --kind broker, redis, postgres, api, batch-router, clock, device or client")}
	}
	var requests []certs.Request
	for _, name := range names {
		r := certs.Request{Name: name, Kind: certs.Kind(f.kind), Hosts: f.hosts, Life: time.Duration(f.life)}
		if err := r.Check(); err != nil {
			return nil, &usageError{err}
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// issueAll begins only when all names are free.
func issueAll(dir string, requests []certs.Request) ([]certs.Certificate, error) {
	folder, err := certs.Open(dir)
	if err != nil {
		return nil, err
	}
	for _, r := range requests {
		if err := folder.Vacant(r.Name); err != nil {
			return nil, err
		}
	}
	made := []certs.Certificate{}
	for _, r := range requests {
		one, err := folder.Issue(r)
		if err != nil {
			return made, err
		}
		made = append(made, one)
	}
	return made, nil
}

// tellCertificates prints those that were made, unless an error came before the first.
func (c *cli) tellCertificates(cmd *cobra.Command, made []certs.Certificate, err error) error {
	if err != nil && len(made) == 0 {
		return nil
	}
	return c.print(cmd, map[string]any{"certificates": made}, func(t *table) { certificateTable(t, made) })
}

func certificateTable(t *table, all []certs.Certificate) {
	t.row("NAME", "KIND", "ENDS", "HOSTS", "STATE")
	for _, one := range all {
		state := "ok"
		if one.Fault != "" {
			state = one.Fault
		}
		t.row(one.Name, orNone(string(one.Kind)), moment(one.Ends), orNone(strings.Join(one.Hosts, " ")), state)
	}
}

func orNone(text string) string {
	if text == "" {
		return none
	}
	return text
}

func (c *cli) certsRenew() *cobra.Command {
	var r certs.Renewal
	var before life
	cmd := &cobra.Command{
		Use: "renew DIR [NAME...]", Short: "Replace the certificates that end soon", Args: oneFolder(1, 0),
		Long: "Replaces certificates that end soon by ones with the same name, hosts and length of life. Run it once a day.\n\n" +
			"The key stays: then one file changes, in one step, no server ever finds a pair that does not match, and a key\n" +
			"that was taken to a device stays good. --new-key makes a new key, too, in two steps; our services go on with\n" +
			"the pair before until both are there. Use it when a key may have been seen, and once in a while.\n\n" +
			"The services of Sluice take new files over by themselves. Other servers are to be told:\n" +
			"  Mosquitto    SIGHUP (systemctl reload mosquitto)\n" +
			"  PostgreSQL   SELECT pg_reload_conf()\n" +
			"  Redis        CONFIG SET tls-cert-file PATH tls-key-file PATH",
		Example: "  sluice certs renew certs\n  sluice certs renew certs --before 10d\n  sluice certs renew certs broker --before 825d --new-key",
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Before, r.Names = time.Duration(before), args[1:]
			folder, err := certs.Open(args[0])
			if err != nil {
				return err
			}
			done, err := folder.Renew(r)
			return errors.Join(c.tellRenewed(cmd, done), err)
		},
	}
	cmd.Flags().Var(&before, "before", "those that end within `N` days, like 10d (default of each the last third of its life)")
	cmd.Flags().BoolVar(&r.NewKey, "new-key", false, "make new keys, too")
	return cmd
}

func (c *cli) tellRenewed(cmd *cobra.Command, done []certs.Renewed) error {
	if done == nil {
		done = []certs.Renewed{}
	}
	return c.print(cmd, map[string]any{"renewed": done}, func(t *table) {
		if len(done) == 0 {
			t.row("none was renewed")
			return
		}
		t.row("NAME", "KIND", "ENDS", "KEY")
		for _, one := range done {
			key := "as before"
			if one.NewKey {
				key = "new"
			}
			t.row(one.Name, one.Kind, moment(one.Ends), key)
		}
	})
}

func (c *cli) certsList() *cobra.Command {
	return &cobra.Command{
		Use: "list DIR", Short: "List the certificates of a folder (exit 1 if one cannot be used)", Args: oneFolder(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := certs.Open(args[0])
			if err != nil {
				return err
			}
			all, err := folder.List()
			if err != nil {
				return err
			}
			ca := folder.Authority()
			err = c.print(cmd, map[string]any{"authority": ca, "certificates": all}, func(t *table) {
				certificateTable(t, all)
				t.row("(authority)", none, moment(ca.Ends), none, none)
			})
			return errors.Join(err, unusable(all))
		},
	}
}

// unusable is an error if there is one that cannot be used; the list has said why.
func unusable(all []certs.Certificate) error {
	for _, one := range all {
		if one.Fault != "" {
			return errSaid
		}
	}
	return nil
}

// oneFolder wants a folder and names: at least and at most so many words; 0 is no limit.
func oneFolder(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		want := max(least, len(args))
		if most > 0 {
			want = min(want, most)
		}
		return someArgs(want)(cmd, args)
	}
}

// life is a flag of days: 30 or 30d; or of hours, 36h.
type life time.Duration

// Set implements pflag.Value.
func (l *life) Set(text string) error {
	if hours, err := time.ParseDuration(text); err == nil && hours > 0 {
		*l = life(hours)
		return nil
	}
	days, err := strconv.ParseUint(strings.TrimSuffix(text, "d"), 10, 16)
	if err != nil {
		return errors.New("write a number of days, like 30 or 30d, or of hours, like 36h")
	}
	*l = life(time.Duration(days) * certs.Day)
	return nil
}

// String implements pflag.Value.
func (l *life) String() string {
	if *l == 0 {
		return ""
	}
	if d := time.Duration(*l); d%certs.Day != 0 {
		return d.String()
	}
	return fmt.Sprint(int64(time.Duration(*l) / certs.Day))
}

// Type implements pflag.Value.
func (l *life) Type() string { return "days" }
