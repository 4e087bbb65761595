package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// writeImage makes an archive of one file in an image of nothing else, as `ctr images import` and `docker load` take it.
func writeImage(arguments []string) error {
	if len(arguments) < 3 {
		return errors.New("needs the image's name, the archive to write, the program, and its arguments if there are any")
	}
	name, archive, program := arguments[0], arguments[1], arguments[2]
	inside := filepath.Base(program)
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	layer, err := pack(member{inside, 0o755, content})
	if err != nil {
		return err
	}
	type object map[string]any
	config, err := json.Marshal(object{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       object{"Entrypoint": append([]string{"/" + inside}, arguments[3:]...)},
		"rootfs":       object{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	if err != nil {
		return err
	}
	configName, layerName := digest(config)+".json", digest(layer)+".tar"
	manifest, err := json.Marshal([]object{{"Config": configName, "RepoTags": []string{name}, "Layers": []string{layerName}}})
	if err != nil {
		return err
	}
	packed, err := pack(member{configName, 0o644, config}, member{layerName, 0o644, layer}, member{"manifest.json", 0o644, manifest})
	if err != nil {
		return err
	}
	return os.WriteFile(archive, packed, 0o644)
}

type member struct {
	name    string
	mode    int64
	content []byte
}

func pack(members ...member) ([]byte, error) {
	var packed bytes.Buffer
	writer := tar.NewWriter(&packed)
	for _, m := range members {
		if err := writer.WriteHeader(&tar.Header{Name: m.name, Mode: m.mode, Size: int64(len(m.content)), Typeflag: tar.TypeReg}); err != nil {
			return nil, err
		}
		if _, err := writer.Write(m.content); err != nil {
			return nil, err
		}
	}
	err := writer.Close()
	return packed.Bytes(), err
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
