package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// writeCertificate writes a self-signed certificate for localhost, which is its
// own authority, and its key.
func writeCertificate(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = writeFile(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = writeFile(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	return cert, key
}

func TestBroker_TLS(t *testing.T) {
	cert, key := writeCertificate(t)
	c := mustLoad(t, minimal, []string{
		"SLUICE_BROKER_URL=mqtts://localhost", "SLUICE_BROKER_CA=" + cert, "SLUICE_BROKER_CERT=" + cert, "SLUICE_BROKER_KEY=" + key,
		"SLUICE_QUEUE_REDIS_URL=rediss://r", "SLUICE_QUEUE_REDIS_CA=" + cert,
	})
	settings, err := c.Broker.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if settings.ServerName != "localhost" || settings.RootCAs == nil || settings.GetClientCertificate == nil || settings.MinVersion != tls.VersionTLS12 {
		t.Errorf("settings: got %+v", settings)
	}
	if got, want := c.Broker.Address(), "localhost:8883"; got != want {
		t.Errorf("address: got %s, want %s", got, want)
	}
	if settings, err := c.Queue.Redis.TLS(); err != nil || settings.ServerName != "r" || settings.RootCAs == nil {
		t.Errorf("Redis: got %+v, %v", settings, err)
	}
}

func TestTLS_NilWithoutTLS(t *testing.T) {
	c := mustLoad(t, minimal, nil)
	for name, get := range map[string]func() (*tls.Config, error){"broker": c.Broker.TLS, "redis": c.Queue.Redis.TLS} {
		if settings, err := get(); settings != nil || err != nil {
			t.Errorf("%s: got %v, %v", name, settings, err)
		}
	}
}

func TestTLSFiles_Client_Errors(t *testing.T) {
	cert, _ := writeCertificate(t)
	_, other := writeCertificate(t)
	for name, files := range map[string]TLSFiles{
		"no such CA":      {CA: filepath.Join(t.TempDir(), "none")},
		"CA without PEM":  {CA: "testdata/not-a-cert.txt"},
		"key of another":  {Cert: cert, Key: other},
		"key not given":   {Cert: cert},
		"cert is no cert": {Cert: "testdata/not-a-cert.txt", Key: other},
	} {
		if _, err := files.Client("x"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	got := faultsOf(t, minimal, []string{"SLUICE_STORE_POSTGRES_CERT=" + cert, "SLUICE_STORE_POSTGRES_KEY=" + other})
	if !strings.Contains(got, "SLUICE_STORE_POSTGRES_CERT: cannot be used with key") {
		t.Errorf("got %s", got)
	}
}

func TestPostgres_DSN(t *testing.T) {
	tests := []struct {
		name, url string
		password  string
		files     TLSFiles
		want      string
	}{
		{"as it is", "postgres://u@h/d?x=y", "", TLSFiles{}, "postgres://u@h/d?x=y"},
		{"password", "postgres://u@h/d", "a/b", TLSFiles{}, "postgres://u:a%2Fb@h/d"},
		{"over that of the URL", "postgres://u:old@h/d", "new", TLSFiles{}, "postgres://u:new@h/d"},
		{"CA", "postgres://h/d", "", TLSFiles{CA: "/ca"}, "postgres://h/d?sslmode=verify-full&sslrootcert=%2Fca"},
		{
			"own sslmode", "postgres://h/d?sslmode=require", "",
			TLSFiles{CA: "c", Cert: "a", Key: "b"},
			"postgres://h/d?sslcert=a&sslkey=b&sslmode=require&sslrootcert=c",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := Postgres{URL: mustURL(t, tt.url), Password: NewSecret(tt.password), TLSFiles: tt.files}
			if got := p.DSN().Reveal(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	if !(Postgres{}).DSN().IsZero() {
		t.Error("no URL gives a DSN")
	}
}
