// Pushes one event, with go-redis (go get github.com/redis/go-redis/v9):
//
//	push USER NAME                    pushes an event without further members
//	push --shard SHARDS USER...       only prints the shard of each user
//
// REDIS_URL, QUEUE and SHARDS come from the environment. Exit 1: the event may have been pushed, or was not.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

func shardOf(user string, shards int) int {
	return int(crc32.ChecksumIEEE([]byte(user)) % uint32(shards))
}

func listName(queue string, shard, shards int) string {
	if shards == 1 {
		return queue
	}
	return fmt.Sprintf("%s:%d", queue, shard)
}

func connect(url string) (*redis.Client, error) {
	options, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	// By default go-redis sends a command again when its reply was lost: the event doubles.
	options.MaxRetries = -1
	return redis.NewClient(options), nil
}

func push(ctx context.Context, client *redis.Client, event map[string]any, queue string, shards int) error {
	told, err := client.Get(ctx, "{"+queue+"}:shards").Result() // a service asks once, when it starts
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("not pushed: %w", err)
	}
	if err == nil && told != strconv.Itoa(shards) {
		return fmt.Errorf("not pushed: shards is %d, but Redis says %s", shards, told)
	}
	user := event["user_id"].(string)
	event["date"] = time.Now().UTC().Format("2006-01-02T15:04:05Z")
	element, err := json.Marshal(event)
	if err != nil {
		return err
	}
	if err := client.RPush(ctx, listName(queue, shardOf(user, shards), shards), element).Err(); err != nil {
		return fmt.Errorf("it may have been pushed: %w", err)
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
		event := map[string]any{"user_id": os.Args[1], "name": os.Args[2]}
		err = push(context.Background(), client, event, setting("QUEUE", "events"), shards)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "push:", err)
		os.Exit(1)
	}
}
