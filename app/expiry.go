package app

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/config"
)

// ends exports when the certificates in files end. Names that are "" or come again are
// passed over. The files are read at each scrape, since they are renewed while the service
// runs.
func ends(reg prometheus.Registerer, files ...string) {
	slices.Sort(files)
	for _, file := range slices.Compact(files) {
		if file == "" {
			continue
		}
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "sluice", Name: "certificate_end_timestamp_seconds", ConstLabels: prometheus.Labels{"file": file},
			Help: "When a certificate of this service ends; 0 when it cannot be read.",
		}, func() float64 {
			end, err := endOf(file)
			if err != nil {
				return 0
			}
			return seconds(end)
		}))
	}
}

// endOf returns when the first certificate in a file ends.
func endOf(file string) (time.Time, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return time.Time{}, errors.New("no PEM in it")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, err
	}
	return cert.NotAfter, nil
}

// routerCertificates are the files that a batch-router shows, or may show.
func routerCertificates(c *config.Config) []string {
	files := []string{c.Broker.Cert, c.Queue.Redis.Cert, c.Store.Postgres.Cert}
	for i := range c.Listen.Addresses {
		files = append(files, c.Listen.Addresses[i].TLS.Cert)
	}
	return files
}
