-- What docs/api.md shows: two plants, with readings, devices, an outage, a route
-- and a dead letter.
INSERT INTO data.facility (name) VALUES ('plant-1'), ('plant-2');
INSERT INTO data.sensor (facility_id, entry_id, device, temp, rh, epoch)
SELECT f, i, 'd' || 1 + i % 2, 20 + i / 10.0, 40, 1700000000 + i FROM generate_series(1, 2) f, generate_series(1, 20) i;
INSERT INTO sluice.entry_counter (facility_id, last_id) VALUES (1, 20), (2, 20);
INSERT INTO data.device (facility_id, device, state, generation, connected_at, seen_at, lost_at, down_at, cause, flapping, version) VALUES
    (1, 'd1', 'up', 3, now(), now(), NULL, NULL, '', false, 1),
    (1, 'd2', 'down', 1, now(), now(), now(), now(), 'lwt', false, 1);
INSERT INTO data.outage (facility_id, device, down_at, lost_at, cause, muted, flap) VALUES (1, 'd2', now(), now(), 'lwt', false, '');
INSERT INTO sluice.route_status (facility_id, route, received, stored, duplicate, dead, dropped, queued, batches, bytes, oldest_age, rate, halted)
VALUES (1, 'data/sensor', 21, 20, 0, 1, '{}', 0, 0, 0, 0, 1.5, '');
INSERT INTO sluice.dead_letter (facility_id, route, device, topic, payload, received, reason, code, detail, at)
VALUES (1, 'data/sensor', '', 'data/sensor', 'no reading', now(), 'decode', '', 'proto: cannot parse', now());
