package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// fetch prints a page, whatever its status.
func fetch(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("needs one URL")
	}
	client := http.Client{Timeout: 2 * time.Second}
	response, err := client.Get(arguments[0])
	if err != nil {
		return fmt.Errorf("get %s: %w", arguments[0], err)
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}
