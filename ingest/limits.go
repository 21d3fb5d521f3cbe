package ingest

import "time"

const (
	// smallBody is where the buffer of a body starts, in bytes: nearly all bodies are smaller.
	smallBody = 4 << 10
	// largeBody is the size in bytes from which a body needs one of maxLargeBodies places: an event of this size is very rare, and many at once would fill
	// the memory of a small machine. Below it, as many as there may be connections take 32 MiB.
	largeBody      = 16 << 10
	maxLargeBodies = 16

	// maxClampedJump is how far the clock may jump back without time running twice. Time stands still instead, so that
	// a correction around midnight does not reopen the day that just ended.
	maxClampedJump = time.Hour
	// maxAttempts bounds how often an event is placed anew because its day ended or was replaced meanwhile.
	maxAttempts = 4

	// Seconds a client is asked to wait: a full queue drains in a moment, room on a disk is noticed within some seconds, a poisoned
	// store needs a restart.
	retryBusy   = "1"
	retryFull   = "5"
	retryBroken = "30"

	// maxShownLines is how many bad lines an import reports one by one, and maxShownReasons how many different reasons it counts after.
	maxShownLines   = 20
	maxShownReasons = 50
	// maxLogPiece is how many bytes of a log go from a command to the verb at once, and maxLogHead how many of its first ones a log is known
	// by: some lines, whose times and addresses no other log has.
	maxLogPiece = 64 << 10
	maxLogHead  = 4 << 10
	// maxExtension is the longest end of a path that is looked at, its dot included.
	maxExtension = 12
	// lateLines is how long after the end of a day lines of it may still be written: servers write when an answer has been sent, some of them in
	// batches.
	lateLines = time.Hour
	// maxFuture is how far ahead of the clock an imported event may be: time zones and clocks differ, by less than a day.
	maxFuture = 24 * time.Hour
	// buildingRow is about what a day that is built takes in bytes for each of its events: what is staged of it, its columns, and the columns
	// in the order in which they are sealed.
	buildingRow = 128
	// applyBatch is how many rows are handed to a day at once, and how many lines pass between looks at the context.
	applyBatch = 1024

	// enoughEvents is how many events it takes to tell whether their addresses are visitors'. Up to fewAddresses private ones are proxies, more are
	// the people of a house. From manyAgents different User-Agents on, one address is not one person with a phone and a laptop.
	enoughEvents = 10
	fewAddresses = 4
	manyAgents   = 4
	// oldPlaces is after how many days a database of places is old: networks move to other countries all the time.
	oldPlaces = 180
)
