package api

import (
	"encoding/json"
	"strconv"
	"strings"

	"sluice/gen/sluicev1"
)

// format is how an export writes rows.
type format struct {
	mediaType, file string
	head            string
	appendChunk     func(b []byte, c *sluicev1.SensorChunk) []byte
}

// formats by the words of the parameter.
var formats = map[string]format{
	"ndjson": {mediaType: "application/x-ndjson", file: "readings.ndjson", appendChunk: appendLines},
	"csv": { // RFC 4180
		mediaType: "text/csv; charset=utf-8; header=present", file: "readings.csv",
		head: "facility,facility_id,entry_id,device,temp,rh,epoch\r\n", appendChunk: appendCSV,
	},
}

func appendLines(b []byte, c *sluicev1.SensorChunk) []byte {
	for i := range c.EntryId {
		b = append(appendJSON(b, c, i), '\n')
	}
	return b
}

// appendJSON appends row i as a JSON object on one line.
func appendJSON(b []byte, c *sluicev1.SensorChunk, i int) []byte {
	b = appendText(append(b, `{"facility":`...), c.Facility)
	b = strconv.AppendInt(append(b, `,"facility_id":`...), int64(c.FacilityId), 10)
	b = strconv.AppendInt(append(b, `,"entry_id":`...), c.EntryId[i], 10)
	b = appendText(append(b, `,"device":`...), c.Device[i])
	b = appendNumber(append(b, `,"temp":`...), c.Temp[i], "null")
	b = appendNumber(append(b, `,"rh":`...), c.Rh[i], "null")
	b = strconv.AppendInt(append(b, `,"epoch":`...), c.Epoch[i], 10)
	return append(b, '}')
}

func appendCSV(b []byte, c *sluicev1.SensorChunk) []byte {
	for i := range c.EntryId {
		b = append(appendField(b, c.Facility), ',')
		b = append(strconv.AppendInt(b, int64(c.FacilityId), 10), ',')
		b = append(strconv.AppendInt(b, c.EntryId[i], 10), ',')
		b = append(appendField(b, c.Device[i]), ',')
		b = append(appendNumber(b, c.Temp[i], ""), ',')
		b = append(appendNumber(b, c.Rh[i], ""), ',')
		b = append(strconv.AppendInt(b, c.Epoch[i], 10), '\r', '\n')
	}
	return b
}

// appendNumber appends the shortest text that gives v again. What is not finite no
// router stores; it has no text.
func appendNumber(b []byte, v float32, none string) []byte {
	if v-v != 0 {
		return append(b, none...)
	}
	return strconv.AppendFloat(b, float64(v), 'g', -1, 32)
}

// appendText appends s in quotes. No router stores a name that needs more.
func appendText(b []byte, s string) []byte {
	if plainText(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	text, _ := json.Marshal(s) //nolint:errchkjson // a string
	return append(b, text...)
}

// appendField appends s as a field of RFC 4180.
func appendField(b []byte, s string) []byte {
	if plainText(s) {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}

// plainText reports whether s means itself in every format.
func plainText(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c == '-', c == '_', c == '.':
		default:
			return false
		}
	}
	return true
}
