package api

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"

	"sluice/gen/sluicev1"
)

// HeaderRows is the HTTP trailer of an export that is complete: how many rows it
// has, in decimal.
const HeaderRows = "Sluice-Rows"

// export answers GET /v1/sensor with readings, as QuerySensorRows gives them.
func (s *Server) export(ctx context.Context, w *patientWriter, r *http.Request) (rows int64, err error) {
	req, form, err := exportRequest(r)
	if err != nil {
		return 0, err
	}
	q, err := s.readings(ctx, req)
	if err != nil {
		return 0, err
	}
	e := newExporter(w, r, form)
	rows, err = s.send(ctx, q, e.send)
	if err == nil {
		err = e.end()
	}
	if err == nil {
		w.Header().Set(HeaderRows, strconv.FormatInt(rows, 10))
	}
	return rows, err
}

func exportRequest(r *http.Request) (*sluicev1.QuerySensorRowsRequest, format, error) {
	p := parseParams(r.URL.RawQuery)
	req := &sluicev1.QuerySensorRowsRequest{
		Facilities: p.all("facilities"), Devices: p.all("devices"),
		FromEpoch: p.number("from_epoch"), ToEpoch: p.number("to_epoch"), Limit: p.number("limit"),
	}
	if p.word("order", "entry", "device_time") == "device_time" {
		req.Order = sluicev1.SensorOrder_SENSOR_ORDER_DEVICE_TIME
	}
	form := formats[accepted(r.Header.Values("Accept"))]
	if name := p.word("format", "", "ndjson", "csv"); name != "" {
		form = formats[name]
	}
	return req, form, p.done()
}

// accepted returns the first format of a header Accept, ndjson when it names none.
func accepted(accept []string) string {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, _, _ := strings.Cut(part, ";")
		switch strings.TrimSpace(media) {
		case "text/csv":
			return "csv"
		case "application/x-ndjson":
			return "ndjson"
		}
	}
	return "ndjson"
}

// exporter writes rows in a format. Nothing is written before the first page was
// read, so that what fails until then has a status of its own.
type exporter struct {
	w    *patientWriter
	out  io.Writer
	zip  *gzip.Writer // nil: not compressed
	form format
	buf  []byte
	// begun: the head is written.
	begun bool
}

func newExporter(w *patientWriter, r *http.Request, form format) *exporter {
	e := &exporter{w: w, out: w, form: form}
	h := w.Header()
	h.Set("Content-Type", form.mediaType)
	h.Set("Content-Disposition", `attachment; filename="`+form.file+`"`)
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("Trailer", HeaderRows)
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		e.zip, _ = gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is one
		e.out = e.zip
	}
	return e
}

// acceptsGzip: a weight of 0 refuses.
func acceptsGzip(accept []string) bool {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		if strings.TrimSpace(coding) == "gzip" {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}

func (e *exporter) send(chunk *sluicev1.SensorChunk) error {
	e.begin()
	e.buf = e.form.appendChunk(e.buf, chunk)
	_, err := e.out.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}

func (e *exporter) begin() {
	if !e.begun {
		e.begun = true
		e.buf = append(e.buf, e.form.head...)
	}
}

// end writes what remains; without rows the head alone.
func (e *exporter) end() error {
	e.begin()
	_, err := e.out.Write(e.buf)
	if err == nil && e.zip != nil {
		err = e.zip.Close()
	}
	return err
}
