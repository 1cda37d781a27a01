import { join } from 'node:path';

/** The workspace that the functions are built from. It is not there when only this folder was installed elsewhere. */
export const MANIFEST = join(__dirname, '../../../Cargo.toml');
