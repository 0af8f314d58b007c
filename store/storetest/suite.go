// Package storetest is the conformance suite of the stores of rows: what handlers and
// readers may expect of PostgreSQL they may expect of SQLite.
package storetest

import (
	"context"
	"testing"
	"time"

	"sluice"
	"sluice/gen/sluicev1"
	"sluice/store"
)

// Store is a store as the suite uses it, on a database that nobody else has. Its methods
// are those of the store's package unless they say something else.
type Store interface {
	Queries

	Facility(ctx context.Context, name string) (int32, error)
	NewSensor(facility int32, epochMin time.Time, epochAhead time.Duration) sluice.Handler
	NewDevices(facility int32) sluice.Handler
	NewDead(facility int32) sluice.Handler
	// Once gives fn a function that runs a statement within the transaction.
	Once(ctx context.Context, b *sluice.Batch, fn func(exec func(sql string) error) error) error
	WriteRouteStatus(ctx context.Context, facility int32, routes []store.RouteStatus) error
	Prune(ctx context.Context, facility int32, keep time.Duration) (int64, error)
	ListDead(ctx context.Context, f store.DeadFilter, before int64, limit int) ([]store.StoredDead, error)
	GetDead(ctx context.Context, ids ...int64) ([]store.StoredDead, error)
	DropDead(ctx context.Context, ids ...int64) (int64, error)

	// Exec runs SQL that every database understands.
	Exec(ctx context.Context, sql string) error
	// Count returns the number that SQL gives.
	Count(ctx context.Context, sql string) (int, error)
	// Tables returns what the sink of devices has written for a facility.
	Tables(ctx context.Context, facility int32) (Tables, error)
	// Age makes everything that was applied and every dead letter older.
	Age(ctx context.Context, by time.Duration) error
	// RefuseHot makes the database refuse readings of 100 degC and more.
	RefuseHot(ctx context.Context) error
	// LoseReadings hides the table of readings, and FindReadings undoes that.
	LoseReadings(ctx context.Context) error
	FindReadings(ctx context.Context) error
	// SetBackCounter sets the number of the last entry of every facility to 0.
	SetBackCounter(ctx context.Context) error
	// RestoreCounter sets it to the highest entry that is stored.
	RestoreCounter(ctx context.Context) error
}

// Queries are what the api asks of a store.
type Queries interface {
	Facilities(ctx context.Context) (map[int32]string, error)
	LastEntries(ctx context.Context) (map[int32]int64, error)
	Sensor(q store.SensorQuery) Reader
	Buckets(ctx context.Context, q store.AggregateQuery) ([]*sluicev1.SensorBucket, bool, error)
	Devices(ctx context.Context, q store.DeviceQuery) ([]*sluicev1.Device, error)
	Outages(ctx context.Context, q store.OutageQuery) ([]*sluicev1.Outage, error)
	Routes(ctx context.Context, q store.RouteQuery) ([]*sluicev1.Route, error)
	DeadLetters(ctx context.Context, q store.DeadQuery) ([]*sluicev1.DeadLetter, bool, error)
	Mark(ctx context.Context) (string, error)
	ChangedDevices(ctx context.Context, mark string) ([]*sluicev1.Device, error)
	ChangedOutages(ctx context.Context, mark string, of []*sluicev1.Device) ([]*sluicev1.Outage, error)
	ChangedRoutes(ctx context.Context, mark string) ([]*sluicev1.Route, error)
}

// Reader gives readings page by page.
type Reader interface {
	Page(ctx context.Context, limit int64) ([]*sluicev1.SensorChunk, error)
}

// Test runs the suite. open returns a store on a fresh database and sees to its end.
func Test(t *testing.T, open func(testing.TB) Store) {
	for name, test := range map[string]func(*testing.T, Store){
		"Facility_RegistersOnce":                              facilityRegistersOnce,
		"Facility_RefusesBadNames":                            facilityRefusesBadNames,
		"Sensor_StoresRowsInOrder":                            sensorStoresRowsInOrder,
		"Sensor_ReplayAfterCommit_ReturnsTheSameOutcome":      sensorReplay,
		"Sensor_OnlyBadMessages":                              sensorOnlyBadMessages,
		"Sensor_ConcurrentSinks_ATailSkipsNothing":            sensorTail,
		"Sensor_FacilitiesDoNotShareEntriesOrReadings":        sensorFacilities,
		"Sensor_SameBatchAtManyWorkers_AppliedOnce":           sensorManyWorkers,
		"Sensor_DuplicatesOfStoredRows":                       sensorDuplicates,
		"Sensor_ConflictWithStoredRow":                        sensorConflict,
		"Sensor_DuplicateAndConflictWithinTheBatch_FirstWins": sensorFirstWins,
		"Sensor_RefusedRowsAreFoundAndTheOthersStored":        sensorRefusedRows,
		"Sensor_EverythingAtOnce":                             sensorEverythingAtOnce,
		"Sensor_TableGone_LosesNothing":                       sensorTableGone,
		"Sensor_CounterBehindTheRows_HaltsAndLosesNothing":    sensorCounterBehind,
		"Sensor_UnknownFacility_Halts":                        sensorUnknownFacility,
		"Sensor_Cancelled_IsTriedAgain":                       sensorCancelled,
		"Sensor_BadPayloads_ReasonAndIndex":                   sensorBadPayloads,
		"Sensor_BoundsOfTime_AreThoseOfTheSink":               sensorOwnBounds,
		"Sensor_BigBatchWithAFewConflicts":                    sensorBigBatch,
		"Sensor_OverlappingBatchesAtOnce_EachReadingOnce":     sensorOverlappingBatches,
		"Once_AppliesABatchOnce":                              onceApplies,
		"Once_AnErrorTakesEverythingBack":                     onceTakesBack,
		"Once_PanicLeavesNothing":                             oncePanics,
		"Once_ErrorsOfTheDatabase":                            onceErrors,
		"Once_TwoWorkersWithOneBatch":                         onceTwoWorkers,
		"Dead_StoresLettersOnce":                              deadStoresOnce,
		"Dead_NothingADeviceSentIsRefused":                    deadHostile,
		"Dead_WhatIsNoLetterIsUnstorable":                     deadUnstorable,
		"Dead_NullPayloadIsEmpty":                             deadNullPayload,
		"Dead_ListGetDrop":                                    deadList,
		"Devices_WhatBatchesLeave":                            devicesBatches,
		"Devices_TwoBatchesInAnyOrder_TheNewerWins":           devicesAnyOrder,
		"Devices_WhatIsNoEventIsBad":                          devicesBad,
		"Devices_HostileWordsAndExtremesAreStored":            devicesHostile,
		"Devices_FacilitiesAreApart":                          devicesFacilities,
		"Devices_ManyWritersAtOnce_NoneIsRefused":             devicesManyWriters,
		"Devices_HoweverTheQueueIsCut_OneEventAtATime":        devicesModel,
		"Status_LastWriterWins":                               statusLastWins,
		"Prune_RemovesWhatIsOld":                              pruneOld,
		"Prune_RefusesToRemoveEverything":                     pruneRefuses,
		"Queries_Facilities":                                  queriesFacilities,
		"Queries_Devices":                                     queriesDevices,
		"Queries_Outages":                                     queriesOutages,
		"Queries_Routes":                                      queriesRoutes,
		"Queries_DeadLetters":                                 queriesDeadLetters,
		"Queries_ChangedSinceAMark":                           queriesChanged,
		"Queries_LastEntries":                                 queriesLastEntries,
		"Queries_Sensor":                                      queriesSensor,
		"Queries_Sensor_RowsOfTheBeginning":                   queriesSensorBeginning,
		"Queries_Sensor_AfterAndLast":                         queriesSensorAfter,
		"Queries_Sensor_ReadersHoldNothingBetweenPages":       queriesSensorSlow,
		"Queries_Buckets":                                     queriesBuckets,
		"Queries_Buckets_AfterAnything":                       queriesBucketsAfter,
		"Queries_ReadingsAtRandom_AreWhatAModelSays":          readingsModelled,
		"Queries_Cancelled_End":                               queriesCancelled,
		"Queries_ChangedWhileWritersGoOn_MissesNothing":       queriesChangedMeanwhile,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}
