package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"sluice/internal/apptest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"api": main}) }

func TestScripts(t *testing.T) { apptest.Scripts(t, false) }
