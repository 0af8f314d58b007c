package app

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"sluice/certs"
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
			c, err := certs.ReadCertificate(file)
			if err != nil {
				return 0
			}
			return seconds(c.NotAfter)
		}))
	}
}

// routerCertificates are the files that a batch-router shows, or may show.
func routerCertificates(c *config.Config) []string {
	files := []string{c.Broker.Cert, c.Queue.Redis.Cert, c.Store.Postgres.Cert}
	for i := range c.Listen.Addresses {
		files = append(files, c.Listen.Addresses[i].TLS.Cert)
	}
	return files
}
