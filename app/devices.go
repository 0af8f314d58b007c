package app

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sluice"
)

// DeviceStatus is a device as operators see it. Times are the store's.
type DeviceStatus struct {
	Device     string    `json:"device"`
	State      string    `json:"state"`
	Generation int64     `json:"generation"`
	Connected  time.Time `json:"connected,omitzero"`
	// Seen is at most 30 s old while messages come.
	Seen time.Time `json:"seen,omitzero"`
	// Deadline is when the device goes down, for the cause Due, if nothing comes.
	Deadline time.Time `json:"deadline,omitzero"`
	Due      string    `json:"due,omitempty"`
	// Lost is since when nothing was heard of it.
	Lost time.Time `json:"lost,omitzero"`
	// Down is when its last outage began, Cause why.
	Down     time.Time `json:"down,omitzero"`
	Cause    string    `json:"cause,omitempty"`
	Flapping bool      `json:"flapping,omitempty"`
	// Muted is until when no outage of it is reported; zero when they are.
	Muted time.Time `json:"muted_until,omitzero"`
}

func deviceStatus(d *sluice.Device, now sluice.StoreClock) DeviceStatus {
	s := DeviceStatus{
		Device: d.Name, State: d.State.String(), Generation: d.Generation, Connected: when(d.Connected), Seen: when(d.Seen),
		Lost: when(d.Lost), Down: when(d.Down), Flapping: d.Flapping,
	}
	if d.Deadline > 0 {
		s.Deadline, s.Due = when(d.Deadline+now.Offset), d.Due.String()
	}
	if d.Down > 0 {
		s.Cause = d.DownCause.String()
	}
	if d.Muted > now.Now+now.Offset { // the record keeps what has passed
		s.Muted = when(d.Muted)
	}
	return s
}

func when(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// DevicePage is a part of the known devices, in no order.
type DevicePage struct {
	Devices []DeviceStatus `json:"devices"`
	// Next is the cursor of the next page, "" when there is none.
	Next string `json:"next,omitempty"`
}

// maxMute bounds a mute: longer is a mistake in the unit, or a device to forget.
const maxMute = 10 * 365 * 24 * time.Hour

// CheckMute tells whether a device can be muted for d. The store counts
// microseconds: what it would take for 0 must not end a mute.
func CheckMute(d time.Duration) error {
	if d != 0 && (d < time.Second || d > maxMute) {
		return fmt.Errorf("%s is no time to mute a device for; use 1s to %.0fh, or 0s to end it", d, maxMute.Hours())
	}
	return nil
}

// MuteResult tells until when a device is muted; zero when it no longer is.
type MuteResult struct {
	Until time.Time `json:"until,omitzero"`
}

func deviceHandlers(mux *http.ServeMux, a admin) {
	mux.HandleFunc("GET /devices", func(w http.ResponseWriter, r *http.Request) {
		page, err := a.listDevices(r.Context(), r.URL.Query().Get("cursor"))
		reply(w, page, err)
	})
	mux.HandleFunc("POST /devices/{name}/forget", func(w http.ResponseWriter, r *http.Request) {
		reply(w, struct{}{}, a.forgetDevice(r.Context(), r.PathValue("name")))
	})
	mux.HandleFunc("POST /devices/{name}/mute", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.URL.Query().Get("for"))
		if err == nil {
			err = CheckMute(d)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		result, err := a.muteDevice(r.Context(), r.PathValue("name"), d)
		reply(w, result, err)
	})
	mux.HandleFunc("POST /devices/{name}/stop", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.URL.Query().Get("for"))
		if err == nil {
			err = CheckStop(d)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		reply(w, struct{}{}, a.stopDevice(r.PathValue("name"), d))
	})
}

func (o *operator) listDevices(ctx context.Context, cursor string) (DevicePage, error) {
	c, err := o.devices.Clock(ctx)
	if err != nil {
		return DevicePage{}, err
	}
	page, next, err := o.devices.Devices(ctx, cursor)
	result := DevicePage{Devices: make([]DeviceStatus, len(page)), Next: next}
	for i := range page {
		result.Devices[i] = deviceStatus(&page[i], c)
	}
	return result, err
}

func (o *operator) forgetDevice(ctx context.Context, name string) error {
	return known(name)(o.devices.ForgetDevice(ctx, name))
}

// maxStop bounds how long a simulated device may be stopped.
const maxStop = 24 * time.Hour

// CheckStop tells why a simulated device cannot be stopped for d; nil when it can.
func CheckStop(d time.Duration) error {
	if d < time.Second || d > maxStop {
		return fmt.Errorf("%v: use 1s to %v", d, maxStop)
	}
	return nil
}

// stopDevice drops the connection of a simulated device, which connects again after
// away.
func (o *operator) stopDevice(name string, away time.Duration) error {
	if o.fleet == nil {
		return fmt.Errorf("%w: this process simulates none, so there is none to stop; start it as `sluice up --demo 20`", errNoDevice)
	}
	if err := o.fleet.Drop(name, away); err != nil {
		return fmt.Errorf("%w to stop: %w; simulated are %s", errNoDevice, err, o.fleet.Names())
	}
	return nil
}

func (o *operator) muteDevice(ctx context.Context, name string, d time.Duration) (MuteResult, error) {
	until, ok, err := o.devices.MuteDevice(ctx, name, d)
	return MuteResult{Until: when(until)}, known(name)(ok, err)
}

// known turns the answer that there is no such device into an error.
func known(name string) func(bool, error) error {
	return func(ok bool, err error) error {
		if err == nil && !ok {
			return fmt.Errorf("%w as %q; `sluice device list` names them", errNoDevice, name)
		}
		return err
	}
}

// Devices returns a page of the known devices; cursor "" is the first.
func (c *AdminClient) Devices(ctx context.Context, cursor string) (p DevicePage, err error) {
	return p, c.call(ctx, http.MethodGet, "/devices?cursor="+url.QueryEscape(cursor), nil, &p)
}

// ForgetDevice removes a device; see sluice.DeviceStore.
func (c *AdminClient) ForgetDevice(ctx context.Context, name string) error {
	return c.call(ctx, http.MethodPost, "/devices/"+url.PathEscape(name)+"/forget", nil, &struct{}{})
}

// MuteDevice has no outage of a device reported for d (see CheckMute); 0 ends
// that.
func (c *AdminClient) MuteDevice(ctx context.Context, name string, d time.Duration) (r MuteResult, err error) {
	return r, c.call(ctx, http.MethodPost, "/devices/"+url.PathEscape(name)+"/mute?for="+d.String(), nil, &r)
}

// StopDevice drops the connection of a simulated device for d (see CheckStop).
func (c *AdminClient) StopDevice(ctx context.Context, name string, d time.Duration) error {
	return c.call(ctx, http.MethodPost, "/devices/"+url.PathEscape(name)+"/stop?for="+d.String(), nil, &struct{}{})
}

// presenceCollector reports how many devices there are in each state.
type presenceCollector struct {
	count   func(context.Context) (sluice.PresenceCounts, error)
	devices *prometheus.Desc
}

func newPresenceCollector(count func(context.Context) (sluice.PresenceCounts, error)) *presenceCollector {
	return &presenceCollector{count: count, devices: prometheus.NewDesc("sluice_devices",
		"Known devices by state; all replicas report the same store.", []string{"state"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *presenceCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.devices }

// Collect implements prometheus.Collector. A store that does not answer leaves
// the series out.
func (c *presenceCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n, err := c.count(ctx)
	if err != nil {
		return
	}
	for state, count := range map[string]int64{"up": n.Up, "suspect": n.Suspect, "down": n.Down} {
		ch <- prometheus.MustNewConstMetric(c.devices, prometheus.GaugeValue, float64(count), state)
	}
}
