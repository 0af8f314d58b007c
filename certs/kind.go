package certs

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// Kind is what a certificate is for.
type Kind string

// The kinds.
const (
	Broker      Kind = "broker"
	Redis       Kind = "redis"
	Postgres    Kind = "postgres"
	API         Kind = "api"
	BatchRouter Kind = "batch-router"
	Clock       Kind = "clock"
	Device      Kind = "device"
	Client      Kind = "client" // a reader of the api
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{Broker, Redis, Postgres, API, BatchRouter, Clock, Device, Client}
}

// ParseKind returns the kind of this name; its error lists them.
func ParseKind(text string) (Kind, error) {
	if k := Kind(text); slices.Contains(Kinds(), k) {
		return k, nil
	}
	var words []string
	for _, k := range Kinds() {
		words = append(words, string(k))
	}
	return "", fmt.Errorf("%q is no kind; use %s", text, strings.Join(words, ", "))
}

// use says where the holder of a certificate of a kind is a server or a client.
type use struct {
	server, client bool
	hostless       bool // a server that may do without the name of a host
}

func (k Kind) use() use {
	switch k {
	case Broker:
		return use{server: true}
	case Redis, Postgres, API: // replicas connect with the same file; the api to PostgreSQL
		return use{server: true, client: true}
	case BatchRouter: // the front door; a client of all the others
		return use{server: true, client: true, hostless: true}
	default:
		return use{client: true}
	}
}

func (u use) purposes() []x509.ExtKeyUsage {
	var all []x509.ExtKeyUsage
	if u.server {
		all = append(all, x509.ExtKeyUsageServerAuth)
	}
	if u.client {
		all = append(all, x509.ExtKeyUsageClientAuth)
	}
	return all
}

// class is the host of the URI: what the holder may be.
func (k Kind) class() string {
	switch k {
	case Device, Client:
		return string(k)
	default:
		return "service"
	}
}
