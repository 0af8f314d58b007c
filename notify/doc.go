// Package notify tells people of outages: it makes a report of a batch of
// presence events and sends it to a receiver.
//
//	$notify/<name> --batch--> Compose --Report--> Split --Parts--> Sender
//	                             |                  |
//	                    pure, from the batch    kept with the batch before the
//	                                            first part is sent
//
// There is one folder per receiver: groupme, webhook, logs. Each implements
// Sender; a Handler drives it from its queue (sluice.QueueNotify and its name).
//
// A report is sent at least once. Its id is that of the batch, so that a second
// copy, after a crash between the receiver's answer and the note of it, can be
// told from a second report.
package notify
