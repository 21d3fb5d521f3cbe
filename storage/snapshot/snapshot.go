// Package snapshot streams the sealed data file to a bucket of objects, and brings it back from there. It knows keys and sealed values, not what they
// mean. Why it is as it is says DESIGN.md.
//
// # Names
//
// Below the prefix, with numbers in hexadecimal:
//
//	v1/keyring                        key slots and the wrapped keys of all but the sites: package seal. Replaced
//	v1/sites/<32 digits>              one wrapped data key of a site: package seal
//	v1/roll                           names of these. Replaced
//	v1/epoch/<8 digits>               claim of an epoch, create-only
//	v1/pack/<epoch>-<12 digits>       pack, create-only
//	v1/manifest/<epoch>-<12 digits>   manifest, create-only; its number is that of the last pack it knows
//	v1/drill                          what the last drill found. Replaced
//	v1/low                            what the next pruning may delete. Replaced
//
// # A pack, version 1
//
//	offset  size  what
//	     0     4  "FFP" and the version, 1
//	     4     4  length h of the head, big-endian
//	     8     h  head, sealed to the pack's name
//	   8+h        the values of its entries, one behind the other, as the data file has them
//
// The head, unsealed; numbers are uvarints unless a size is given:
//
//	16     SHA-256 of the whole pack before, cut; zeros for the first of an epoch
//	16     SHA-256 of the values, cut
//	       commit number at which the values were read
//	       time of that, Unix milliseconds
//	1      flags: 1 settled, 2 gathered (its entries were in other packs before and are no change)
//	       length of the sums of the stand and the sums (package file), only where settled
//	       number of entries, then for each:
//	1        bucket
//	         length of the key and key
//	         0 if the key is gone, else length of the value + 1
//	8        if it is not gone: the value's bytes 1 to 8, of its nonce
//
// # A manifest, version 1
//
//	"FFM" and the version, 1, then sealed to the manifest's name:
//
//	       commit number, time in Unix milliseconds: of the stand
//	       length of the sums of the stand, and the sums
//	       format of the data file
//	16     SHA-256 of the last pack of the epoch, cut
//	       length of the point's name and name, empty if it has none
//	       number of packs, then for each, oldest first:
//	         epoch, number, size
//	16       SHA-256 of the pack, cut
//	         number of entries in it, number of those that count
//	         ⌈entries / 8⌉ bytes with a bit for each that counts, lowest first; nothing if all count
//
// # The roll of site keys, version 1
//
//	"FFR" and the version, 1, then sealed to its name, v1/roll:
//
//	       generation of the vault
//	       number of keys, then for each:
//	16       the digits of its name
//
// # What pruning knows, version 1
//
//	"FFL" and the version, 1, then sealed to its name, v1/low:
//
//	       epoch, number: of the manifest behind which all packs are kept
//	       number of manifests whose names do not count any more, then for each: epoch, number
//	       number of objects that were found not to be needed, in the order of kind, epoch, number; then for each:
//	1        kind: 1 claim of an epoch, 2 manifest, 3 pack
//	         epoch, number
//	         time of finding it, Unix milliseconds
//
// # What the last drill found, version 1
//
//	"FFD" and the version, 1, then sealed to its name, v1/drill: a DrillReport as JSON
package snapshot
