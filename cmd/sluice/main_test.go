package main

import (
	"flag"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sluice/internal/apptest"
)

var update = flag.Bool("update", false, "write the golden files of the scripts anew")

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"sluice": main}) }

func TestScripts(t *testing.T) { apptest.Scripts(t, *update) }
