package api

import (
	"net/http"

	"connectrpc.com/vanguard"
	"connectrpc.com/vanguard/vanguardgrpc"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"sluice/gen/sluicev1"
)

// restMethods are the methods of SluiceService that are lists, by their path. The
// parameters of the URL are the fields of the request.
var restMethods = map[string]string{
	"/v1/devices":          "ListDevices",
	"/v1/outages":          "ListOutages",
	"/v1/routes":           "ListRoutes",
	"/v1/dead-letters":     "ListDeadLetters",
	"/v1/sensor/aggregate": "AggregateSensor",
}

// strict refuses parameters that are no fields of the request of a list, and
// several values where one is wanted: the transcoder takes the one for a fault of
// its own and the last of the others.
func (s *Server) strict(path string, next http.Handler) http.Handler {
	service := sluicev1.File_api_proto.Services().ByName("SluiceService")
	fields := service.Methods().ByName(protoreflect.Name(restMethods[path])).Input().Fields()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := parseParams(r.URL.RawQuery)
		for i := range fields.Len() {
			if f := fields.Get(i); f.IsList() {
				p.all(string(f.Name()))
			} else {
				p.one(string(f.Name()))
			}
		}
		if err := p.done(); err != nil {
			writeError(w, s.end(callContext(r), Call{Method: "GET " + path}, err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// maxTranscoded is the size of a message of which another form is made, bytes:
// several times that of the largest page.
const maxTranscoded = 8 << 20

// jsonForm has names as in the contract, and every field.
var jsonForm = protojson.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true}

// transcoder makes calls of services of requests in REST, Connect and gRPC-Web.
func transcoder(services *grpc.Server) (http.Handler, error) {
	var rules []*annotations.HttpRule
	for path, method := range restMethods {
		rules = append(rules, &annotations.HttpRule{
			Selector: sluicev1.SluiceService_ServiceDesc.ServiceName + "." + method,
			Pattern:  &annotations.HttpRule_Get{Get: path},
		})
	}
	return vanguardgrpc.NewTranscoder(services,
		vanguard.WithRules(rules...),
		vanguard.WithCodec(newJSONCodec),
		vanguard.WithDefaultServiceOptions(vanguard.WithMaxMessageBufferBytes(maxTranscoded), vanguard.WithNoTargetCompression()))
}

func newJSONCodec(types vanguard.TypeResolver) vanguard.Codec {
	c := &vanguard.JSONCodec{MarshalOptions: jsonForm}
	c.MarshalOptions.Resolver, c.UnmarshalOptions.Resolver = types, types
	return c
}
