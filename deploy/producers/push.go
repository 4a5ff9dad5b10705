// Pushes one event, once, with go-redis (go get github.com/redis/go-redis/v9); push_once.lua must be beside this file:
//
//	push USER NAME                    pushes an event without further members
//	push --shard SHARDS USER...       only prints the shard of each user
//	push --marker LIST KEY EVENT...   only prints the marker of a push, and what it holds then
//
// REDIS_URL, QUEUE, SHARDS and IDEMPOTENCY_KEY come from the environment. With an IDEMPOTENCY_KEY the push may be run
// again for a day. Exit 1: not pushed, or perhaps pushed.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed push_once.lua
var pushOnce string

const (
	// A key that nobody knows lives longer than a command is repeated.
	automatic = 2 * time.Minute
	day       = 24 * time.Hour
)

type event struct {
	User string  `json:"user_id"`
	Name string  `json:"name"`
	Date *string `json:"date"`
}

func shardOf(user string, shards int) int {
	return int(crc32.ChecksumIEEE([]byte(user)) % uint32(shards))
}

func listName(queue string, shard, shards int) string {
	if shards == 1 {
		return queue
	}
	return fmt.Sprintf("%s:%d", queue, shard)
}

func markerName(list, key string) string {
	return "{" + list + "}:pushed:" + key
}

// With several lists, their number is part of the key: after a resharding a list has the same name, but other events.
func keyOf(key string, shards int) string {
	if shards == 1 {
		return key
	}
	return fmt.Sprintf("%d:%s", shards, key)
}

// The digest of all events of a push, as they are before a date is added.
func digestOf(events ...string) uint64 {
	hash := sha256.New()
	for _, each := range events {
		hash.Write([]byte(each + "\n"))
	}
	return 1 + binary.BigEndian.Uint64(hash.Sum(nil))%9_223_372_034
}

func connect(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	// go-redis sends a command again when its reply was lost. That is what push_once.lua is for.
	options.MaxRetries, options.MaxRetryBackoff = 10, time.Second
	return redis.NewClient(options), nil
}

// If it fails after the command was sent, the event may have been pushed: with the same key it can be pushed again.
func push(ctx context.Context, client *redis.Client, what event, queue string, shards int, key string) error {
	told, err := client.Get(ctx, "{"+queue+"}:shards").Result() // a service asks once, when it starts
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("not pushed: %w", err)
	}
	if err == nil && told != strconv.Itoa(shards) {
		return fmt.Errorf("not pushed: shards is %d, but Redis says %s", shards, told)
	}
	given, err := json.Marshal(what)
	if err != nil {
		return err
	}
	if what.Date == nil {
		now := time.Now().UTC().Format("2006-01-02T15:04:05Z")
		what.Date = &now
	}
	element, err := json.Marshal(what)
	if err != nil {
		return err
	}
	remembered := day
	if key == "" {
		random := make([]byte, 16)
		if _, err := rand.Read(random); err != nil {
			return err
		}
		key, remembered = hex.EncodeToString(random), automatic
	}
	list := listName(queue, shardOf(what.User, shards), shards)
	reply, err := client.Eval(ctx, pushOnce, []string{list, markerName(list, keyOf(key, shards))},
		"RPUSH", digestOf(string(given)), 0, 0, remembered.Milliseconds(), element).Slice()
	if err != nil {
		return fmt.Errorf("it may have been pushed: %w", err)
	}
	if reply[1] != "ok" {
		return errors.New("not pushed: the key was used for another event")
	}
	return nil
}

func setting(name, otherwise string) string {
	if value, there := os.LookupEnv(name); there {
		return value
	}
	return otherwise
}

func main() {
	if len(os.Args) > 3 && os.Args[1] == "--shard" {
		shards, _ := strconv.Atoi(os.Args[2])
		for _, user := range os.Args[3:] {
			fmt.Println(shardOf(user, shards))
		}
		return
	}
	if len(os.Args) > 4 && os.Args[1] == "--marker" {
		events := os.Args[4:]
		fmt.Printf("%s %d%09d\n", markerName(os.Args[2], os.Args[3]), digestOf(events...), len(events))
		return
	}
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: push USER NAME")
		os.Exit(1)
	}
	shards, err := strconv.Atoi(setting("SHARDS", "1"))
	if err != nil || shards < 1 {
		fmt.Fprintln(os.Stderr, "push: SHARDS must be a number, at least 1")
		os.Exit(1)
	}
	client, err := connect(setting("REDIS_URL", "redis://127.0.0.1:6379/0"))
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		what := event{User: os.Args[1], Name: os.Args[2]}
		err = push(ctx, client, what, setting("QUEUE", "events"), shards, setting("IDEMPOTENCY_KEY", ""))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "push:", err)
		os.Exit(1)
	}
}
