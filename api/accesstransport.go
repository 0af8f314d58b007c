package api

import (
	"net"
	"time"

	"google.golang.org/grpc/credentials"
)

// certified is what a connection to the gRPC port tells of its client: there a
// certificate alone counts, no password.
type certified struct{ credentials.TLSInfo }

// grpcTransport is TLS on the gRPC port. It lets everybody in, to be refused by
// the interceptors with a reason; but who cannot be admitted at all keeps a
// connection for strangerTime only, whatever it sends.
type grpcTransport struct {
	credentials.TransportCredentials

	authorities *authorities
}

// strangerTime is enough to be told why.
const strangerTime = 10 * time.Second

func (t *TLS) transport() credentials.TransportCredentials {
	return &grpcTransport{credentials.NewTLS(t.config), t.authorities}
}

// ServerHandshake implements credentials.TransportCredentials.
func (t *grpcTransport) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := t.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	tls := info.(credentials.TLSInfo)
	if t.authorities.check(tls.State.PeerCertificates) != nil {
		time.AfterFunc(strangerTime, func() { _ = raw.Close() })
	}
	return conn, certified{tls}, nil
}

// Clone implements credentials.TransportCredentials.
func (t *grpcTransport) Clone() credentials.TransportCredentials {
	return &grpcTransport{t.TransportCredentials.Clone(), t.authorities}
}
