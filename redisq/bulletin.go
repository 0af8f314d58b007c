package redisq

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/rueidis"

	"sluice"
)

// What front doors tell each other is one of
//
//	m<QoS><length of from><from><length of topic><topic><payload>
//	t<connection> <client>
//
// with QoS as a digit and lengths as two bytes, big endian. connect.lua sends the
// second, too.
const (
	bulletinMessage  = 'm'
	bulletinTakeover = 't'
)

// errBulletin is something on the channel that no front door says.
var errBulletin = errors.New("unknown broadcast")

// Broadcast implements sluice.ClientStore.
func (q *Queue) Broadcast(ctx context.Context, b sluice.Broadcast) error {
	text, err := packBulletin(b)
	if err != nil {
		return err
	}
	return q.client.Do(ctx, q.client.B().Publish().Channel(q.keys.broadcast()).Message(text).Build()).Error()
}

func packBulletin(b sluice.Broadcast) (string, error) {
	if b.Client != "" {
		return string(bulletinTakeover) + strconv.FormatInt(b.Connection, 10) + " " + b.Client, nil
	}
	if len(b.From) > sluice.MaxTopic || len(b.Topic) > sluice.MaxTopic || b.QoS > 2 {
		return "", fmt.Errorf("broadcast: session of %d bytes, topic of %d, qos %d", len(b.From), len(b.Topic), b.QoS)
	}
	out := make([]byte, 0, 6+len(b.From)+len(b.Topic)+len(b.Payload))
	out = append(out, bulletinMessage, '0'+b.QoS)
	for _, s := range []string{b.From, b.Topic} {
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(s))), s...)
	}
	return string(append(out, b.Payload...)), nil
}

func parseBulletin(s string) (sluice.Broadcast, error) {
	switch {
	case strings.HasPrefix(s, string(bulletinMessage)):
		return parseMessage(s[1:])
	case strings.HasPrefix(s, string(bulletinTakeover)):
		number, client, _ := strings.Cut(s[1:], " ")
		connection, err := strconv.ParseInt(number, 10, 64)
		if err != nil || client == "" {
			return sluice.Broadcast{}, errBulletin
		}
		return sluice.Broadcast{Client: client, Connection: connection}, nil
	}
	return sluice.Broadcast{}, errBulletin
}

func parseMessage(s string) (b sluice.Broadcast, err error) {
	if s == "" || s[0] < '0' || s[0] > '2' {
		return b, errBulletin
	}
	b.QoS, s = s[0]-'0', s[1:]
	for _, part := range []*string{&b.From, &b.Topic} {
		if len(s) < 2 {
			return sluice.Broadcast{}, errBulletin
		}
		n := int(s[0])<<8 | int(s[1])
		if s = s[2:]; len(s) < n {
			return sluice.Broadcast{}, errBulletin
		}
		*part, s = s[:n], s[n:]
	}
	b.Payload = []byte(s)
	return b, nil
}

// Listen implements sluice.ClientStore. It has a connection of its own.
func (q *Queue) Listen(ctx context.Context, heard func(sluice.Broadcast)) error {
	return q.receive(ctx, q.keys.broadcast(), func(m rueidis.PubSubMessage) {
		b, err := parseBulletin(m.Message)
		if err != nil {
			q.config.Logger.Warn("broadcast not understood", "err", err, "bytes", len(m.Message))
			return
		}
		heard(b)
	})
}
