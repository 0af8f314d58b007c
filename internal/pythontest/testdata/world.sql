-- What python/tests compares with: facilities plant-1 and plant-2 exist.
INSERT INTO data.sensor (entry_id, facility_id, device, temp, rh, epoch)
SELECT i, f, 'dev-' || i % 7, 0.9 + i / 10.0, 50, 1700000000 + i
FROM (VALUES (1, 4500), (2, 10)) v(f, n), generate_series(1, n) i;

UPDATE sluice.entry_counter c SET last_id = (SELECT max(entry_id) FROM data.sensor s WHERE s.facility_id = c.facility_id);

INSERT INTO data.device (facility_id, device, state, generation, down_at, cause, flapping, version)
SELECT f, 'd' || to_char(i, 'FM0000'), CASE WHEN i % 3 = 0 THEN 'down' ELSE 'up' END, i,
       CASE WHEN i % 3 = 0 THEN timestamptz '2024-01-01Z' + i * interval '1 s' + interval '123456 us' END,
       CASE WHEN i % 3 = 0 THEN 'lwt' ELSE '' END, i % 3 = 0, 1
FROM generate_series(1, 2) f, generate_series(1, 1205) i;

INSERT INTO data.outage (facility_id, device, down_at, up_at, cause, recovery, muted, flap, report_ids)
SELECT f, 'd' || to_char(i, 'FM0000'), down_at, CASE WHEN over THEN down_at + interval '1 min' END, 'lwt',
       CASE WHEN over THEN 'connect' ELSE '' END, false, 'began', '{log:1,groupme:2}'
FROM generate_series(1, 2) f, generate_series(1, 1205) i,
     LATERAL (SELECT timestamptz '2024-01-01Z' + i * interval '1 s' AS down_at, i % 5 <> 0 AS over) o;

INSERT INTO sluice.route_status (facility_id, route, received, stored, duplicate, dead, dropped, queued, batches, bytes,
                                 oldest_age, rate, halted, halted_since)
VALUES (1, 'data/sensor', 12, 5, 1, 1, '{"late": 2}', 3, 1, 99, 0.5, 1.5, '', NULL),
       (2, 'data/sensor', 0, 0, 0, 0, '{}', 0, 0, 0, 0, 0, 'no disk', '2024-01-01Z');

INSERT INTO sluice.dead_letter (facility_id, route, device, topic, payload, received, reason, code, detail, at)
SELECT 1, 'data/sensor', 'd', 'data/sensor/d', '\x00ff'::bytea || convert_to(i::text, 'UTF8'), '2024-01-01Z',
       CASE WHEN i % 2 = 0 THEN 'decode' ELSE 'conflict' END, '22P02', '', '2024-01-01Z'
FROM generate_series(1, 250) i;
