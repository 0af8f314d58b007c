package messagesdoc

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"sluice"
	"sluice/gen/msg"
)

// The page has a section for each message of the contract, with a row for each field.
func TestDocs_EveryFieldOfTheContract(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/messages.md")
	messages := msg.File_msg_proto.Messages()
	for i := range messages.Len() {
		m := messages.Get(i)
		_, section, ok := strings.Cut(text, "\n### "+string(m.Name())+"\n")
		if !ok {
			t.Errorf("no section %s", m.Name())
			continue
		}
		section, _, _ = strings.Cut(section, "\n### ")
		for j := range m.Fields().Len() {
			f := m.Fields().Get(j)
			row := fmt.Sprintf("\n| `%s` | %d, `%s` |", f.Name(), f.Number(), f.Kind())
			if !strings.Contains(section, row) {
				t.Errorf("%s: no row %s", m.Name(), strings.TrimSpace(row))
			}
		}
	}
}

var word = regexp.MustCompile(`(?m)^\t(?:Reason|Drop)\w+\s*=\s*"(\w+)"`)

// The page explains every reason of dead letters and every cause of drops.
func TestDocs_EveryReason(t *testing.T) {
	t.Parallel()
	_, text, _ := strings.Cut(read(t, "docs/messages.md"), "\n## What becomes of bad input\n")
	text, _, _ = strings.Cut(text, "\n## ")
	all := word.FindAllStringSubmatch(read(t, "batch.go"), -1)
	if len(all) < 15 {
		t.Fatalf("batch.go has only %d words", len(all))
	}
	for _, m := range all {
		if !strings.Contains(text, "\n| `"+m[1]+"` | ") {
			t.Errorf("no row for %s", m[1])
		}
	}
}

var (
	mqttxLine = regexp.MustCompile(`^mqttx (pub|sub) -h 127\.0\.0\.1 -p 1883 -q 1 -t '?([^' ]+)'?( |$)`)
	message   = regexp.MustCompile(` -m '([^']*)'`)
	decoder   = regexp.MustCompile(` -Pp proto/msg\.proto -Pmn (\S+)`)
)

// The lines of mqttx name topics that a device or the router uses, and the message that
// belongs there; what they publish is one.
func TestDocs_LinesOfMQTTX(t *testing.T) {
	t.Parallel()
	lines := 0
	for _, b := range docs(t) {
		if b.info != "sh mqttx" {
			continue
		}
		for line := range strings.Lines(b.code) {
			lines++
			if err := checkMQTTX(strings.TrimSpace(line)); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
	}
	if lines != 7 {
		t.Errorf("got %d lines of mqttx, want 7", lines)
	}
}

func checkMQTTX(line string) error {
	parts := mqttxLine.FindStringSubmatch(line)
	if parts == nil {
		return fmt.Errorf("it is not of the form %s", mqttxLine)
	}
	topic := strings.TrimSuffix(parts[2], "/#")
	if topic == "pulse" {
		return nil
	}
	name := decoder.FindStringSubmatch(line)
	if name == nil {
		return fmt.Errorf("it names no message")
	}
	found, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName(name[1]))
	if err != nil {
		return err
	}
	if want := messageOn(topic); name[1] != want {
		return fmt.Errorf("on %s is %q", topic, want)
	}
	payload := message.FindStringSubmatch(line)
	if parts[1] == "sub" {
		return nil
	}
	if payload == nil {
		return fmt.Errorf("it publishes nothing")
	}
	m := found.New().Interface()
	if err := protojson.Unmarshal([]byte(payload[1]), m); err != nil {
		return err
	}
	device := m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName("device")).String()
	if !strings.HasSuffix(topic, "/"+device) {
		return fmt.Errorf("%s is not a topic of %s", topic, device)
	}
	return nil
}

// messageOn is what the payload of a topic is.
func messageOn(topic string) string {
	switch first, _, _ := strings.Cut(topic, "/"); first {
	case sluice.TopicConnect:
		return "msg.Connect"
	case sluice.TopicWill:
		return "msg.LWT"
	case "data":
		return "msg.SensorData"
	}
	return ""
}
