package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"sluice/users"
)

func (c *cli) usersCommand() *cobra.Command {
	f := &users.Files{}
	cmd := group("users", "Keep the users of a broker or the front door: who may log in, and do what",
		c.usersAdd(f), c.usersList(f), c.usersPasswd(f), c.usersRemove(f))
	cmd.Long = "Keeps Mosquitto's password file and ACL file together; the front door reads the same two (listen.users and\n" +
		"listen.acl of the configuration). Every user is held to topics that end in its own name: it publishes on\n" +
		"connect/NAME, lwt/NAME and data/+/NAME and reads pulse. Lines of others stay as they are, byte by byte. Files\n" +
		"are replaced in one step, new ones with permissions 0600; one that is there keeps its owner.\n\n" +
		"The front door takes changes over by itself within seconds, Mosquitto at SIGHUP (systemctl reload mosquitto).\n" +
		"Both then disconnect who is gone, or has another password."
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.Passwords, "users", "users.txt", "password `FILE`")
	flags.StringVar(&f.ACL, "acl", "acl.txt", "ACL `FILE`")
	return cmd
}

// addFlags are what `users add` is told.
type addFlags struct {
	role, prefix, out string
	count, first      int
	flat              bool
}

// maxAdd is how many users may be added at once.
const maxAdd = 100_000

func (c *cli) usersAdd(f *users.Files) *cobra.Command {
	a := &addFlags{}
	cmd := &cobra.Command{
		Use: "add NAME...", Short: "Add users with random passwords, which are shown once", Args: anyArgs,
		Long: "Adds users with random passwords of 32 letters and digits, and makes the files if they are not there. The\n" +
			"passwords are printed, once; with --out each is written to a file of its own, DIR/NAME (0600), as\n" +
			"broker.password_file of the configuration takes it. Users called router and clock are the router and the\n" +
			"clock, all others devices, unless --role says otherwise. All are added, or none.",
		Example: "  sluice users add router clock --out secrets\n  sluice users add dev-1 dev-2\n" +
			"  sluice users add --count 100 --prefix dev-      # dev-0001 to dev-0100, as the device simulator names them\n" +
			"  sluice users add --flat-topics meter-7          # firmware that publishes on connect, lwt, data/sensor",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.list(args)
			if err != nil {
				return err
			}
			secrets, err := f.Add(list, createSecrets(a.out))
			return c.tellSecrets(cmd, secrets, a.out, err)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&a.role, "role", "", "make them `ROLE`: router, clock or device")
	flags.IntVar(&a.count, "count", 0, "add `N` more that are named PREFIX and a number of four digits or more")
	flags.StringVar(&a.prefix, "prefix", "dev-", "begin these names with `PREFIX`")
	flags.IntVar(&a.first, "first", 1, "begin these numbers with `N`")
	flags.BoolVar(&a.flat, "flat-topics", false, "let these devices publish on connect, lwt and data/sensor too, where one may pass for another")
	a.outFlag(cmd)
	return cmd
}

func (a *addFlags) outFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.out, "out", "", "write the passwords to files in `DIR`, do not print them")
}

// list returns the users that are asked for.
func (a *addFlags) list(names []string) ([]users.User, error) {
	if a.count < 0 || a.count > maxAdd || a.first < 0 {
		return nil, &usageError{fmt.Errorf("--count %d --first %d: use 0 to %d, and numbers from 0", a.count, a.first, maxAdd)}
	}
	for i := range a.count {
		names = append(names, fmt.Sprintf("%s%04d", a.prefix, a.first+i))
	}
	if len(names) == 0 {
		return nil, &usageError{errors.New("name the users, or say how many with --count and --prefix")}
	}
	var list []users.User
	for _, name := range names {
		role, err := a.roleOf(name)
		if err != nil {
			return nil, &usageError{err}
		}
		if a.flat && role != users.Device {
			return nil, &usageError{fmt.Errorf("--flat-topics is for devices; add %s by itself", name)}
		}
		list = append(list, users.User{Name: name, Role: role, FlatTopics: a.flat})
	}
	return list, nil
}

func (a *addFlags) roleOf(name string) (users.Role, error) {
	switch {
	case a.role != "":
		return users.ParseRole(a.role)
	case name == string(users.Router), name == string(users.Clock):
		return users.Role(name), nil
	}
	return users.Device, nil
}

func (c *cli) usersList(f *users.Files) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the users with their rights", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := f.List()
			if err != nil {
				return err
			}
			return c.print(cmd, map[string]any{"users": list}, func(t *table) {
				t.row("USER", "ROLE", "RIGHTS")
				for _, u := range list {
					t.row(u.Name, u.Role, u.Rights())
				}
			})
		},
	}
}

func (c *cli) usersPasswd(f *users.Files) *cobra.Command {
	a := &addFlags{}
	cmd := &cobra.Command{
		Use: "passwd NAME...", Short: "Give users new random passwords, which are shown once", Args: someNames,
		Long: "Gives users new passwords; the old ones end, and sessions that were opened with them. With --out a file that\n" +
			"is there is replaced.",
		RunE: func(cmd *cobra.Command, args []string) error {
			secrets, err := f.SetPasswords(args, replaceSecrets(a.out))
			return c.tellSecrets(cmd, secrets, a.out, err)
		},
	}
	a.outFlag(cmd)
	return cmd
}

func (c *cli) usersRemove(f *users.Files) *cobra.Command {
	return &cobra.Command{
		Use: "remove NAME...", Short: "Remove users with their rights", Args: someNames,
		Long: "Removes users, all or none. The front door disconnects them within seconds, Mosquitto at SIGHUP. Whom a server\n" +
			"lets in by certificate alone (client_ca without users, use_identity_as_username) needs no password: take its rights away in\n" +
			"the ACL file, and its certificate ends by itself; see `sluice certs`.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.Remove(args); err != nil {
				return err
			}
			fmt.Fprintln(cmd.ErrOrStderr(), "The front door disconnects them within seconds, Mosquitto at SIGHUP (systemctl reload mosquitto).")
			return c.print(cmd, map[string]any{"removed": args}, func(t *table) { t.row("removed " + strings.Join(args, ", ")) })
		},
	}
}

// tellSecrets prints what has been done to passwords; they only where no file has them.
func (c *cli) tellSecrets(cmd *cobra.Command, secrets []users.Secret, out string, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "The front door takes them over within seconds, Mosquitto at SIGHUP (systemctl reload mosquitto).")
	if out != "" {
		files := secretFiles(out, secrets)
		return c.print(cmd, map[string]any{"users": files}, func(t *table) {
			for _, one := range files {
				t.row(one.Name, one.File)
			}
		})
	}
	return c.print(cmd, map[string]any{"users": secrets}, func(t *table) {
		t.row("USER", "ROLE", "PASSWORD")
		for _, s := range secrets {
			t.row(s.Name, s.Role, s.Password)
		}
	})
}

// secretFile says where a password is.
type secretFile struct {
	Name string     `json:"name"`
	Role users.Role `json:"role"`
	File string     `json:"password_file"`
}

func secretFiles(dir string, secrets []users.Secret) []secretFile {
	var files []secretFile
	for _, s := range secrets {
		files = append(files, secretFile{s.Name, s.Role, filepath.Join(dir, s.Name)})
	}
	return files
}

// someNames wants one argument at least.
func someNames(cmd *cobra.Command, args []string) error {
	return someArgs(max(1, len(args)))(cmd, args)
}

// anyArgs leaves it to the command.
func anyArgs(*cobra.Command, []string) error { return nil }
