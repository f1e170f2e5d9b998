package main

import (
	"context"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding"
)

// opaque hands bytes through, so that no serialisation is measured.
type opaque struct{}

// Name implements encoding.Codec.
func (opaque) Name() string { return "opaque" }

// Marshal implements encoding.Codec.
func (opaque) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

// Unmarshal implements encoding.Codec.
func (opaque) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), b...)
	return nil
}

func init() { encoding.RegisterCodec(opaque{}) }

func echoHandler(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var in []byte
	err := decode(&in)
	return &in, err
}

func serveGRPC() error {
	cfg, err := selfSigned()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(cfg)))
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "echo", Handler: echoHandler}},
	}, nil)
	go func() { _ = s.Serve(ln) }()
	return answer(ln.Addr().String(), nil)
}

// grpcCallers returns unary callers on some connections.
func grpcCallers(c *child, conns, each, size int) (all []caller, done func(), err error) {
	var open []*grpc.ClientConn
	done = func() {
		for _, cc := range open {
			_ = cc.Close()
		}
	}
	body := make([]byte, size)
	for range conns {
		cc, err := grpc.NewClient(c.address, grpc.WithTransportCredentials(credentials.NewTLS(trusting())),
			grpc.WithDefaultCallOptions(grpc.CallContentSubtype("opaque")))
		if err != nil {
			done()
			return nil, nil, err
		}
		open = append(open, cc)
		for range each {
			all = append(all, func() error {
				var out []byte
				return cc.Invoke(context.Background(), "/bench/echo", &body, &out)
			})
		}
	}
	return all, done, nil
}
