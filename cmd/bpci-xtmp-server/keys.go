package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/bpci/xtmp/refimpl/server"
)

func keygenCommand(stdout io.Writer) *cobra.Command {
	var out string
	var kind int
	c := &cobra.Command{
		Use:   "keygen --out FILE [--kind 2]",
		Short: "Make an identity key and print its fingerprint",
		Long: "Makes a key, writes it to a file that only its owner can read, and prints its fingerprint.\n" +
			"Kind 1 is an Ed25519 key; kind 2 an Ed25519 and an ML-DSA-65 key, which the suite\n" +
			"postquantum needs. A client trusts the server once its pin file has the line\n" +
			"`host:port KIND FINGERPRINT`.",
		Example: "bpci-xtmp-server keygen --out /etc/bpi/identity.pem\n" +
			"bpci-xtmp-server keygen --kind 2 --out /etc/bpi/identity-2.pem",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if out == "" {
				return refusal{errors.New("keygen needs a file: bpci-xtmp-server keygen --out FILE")}
			}
			generate, ok := map[int]func(string) (*server.Identity, error){
				server.KindEd25519: server.GenerateKey, server.KindHybrid: server.GenerateHybridKey,
			}[kind]
			if !ok {
				return refusal{fmt.Errorf("--kind %d: the kind is 1 or 2", kind)}
			}
			id, err := generate(out)
			if err != nil {
				return refusal{err}
			}
			_, err = fmt.Fprintln(stdout, id.Fingerprint())
			return err
		},
	}
	c.Flags().StringVar(&out, "out", "", "file to write, which must not exist")
	c.Flags().IntVar(&kind, "kind", server.KindEd25519, "1: Ed25519; 2: Ed25519 and ML-DSA-65")
	return c
}

func fingerprintCommand(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "fingerprint FILE...",
		Short: "Print kind and fingerprint of identity keys",
		Long: "Prints kind and fingerprint of each identity key, a line each, as a pin file has them\n" +
			"behind host:port.",
		Example: "bpci-xtmp-server fingerprint /etc/bpi/identity.pem",
		RunE: func(_ *cobra.Command, files []string) error {
			if len(files) == 0 {
				return refusal{errors.New("fingerprint needs a file: bpci-xtmp-server fingerprint FILE")}
			}
			ids, err := server.LoadKeys(files)
			if err != nil {
				return refusal{err}
			}
			for _, id := range ids {
				if _, err := fmt.Fprintln(stdout, id.Kind(), id.Fingerprint()); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
