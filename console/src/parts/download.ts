// What a snapshot has, to the disk of whoever looks at it.
import { path } from '../api';
import { visibleText } from '../format';
import { texts } from '../texts';
import type { Entry } from '../types';
import { haveProof } from './proof';
import { tell, tellProblem } from './toast';

// The browser takes it to the disk as it comes; the service asks for a proof, which has to be there before.
export async function download(address: string, name: string): Promise<void> {
    try {
        if (!(await haveProof())) return;
        const link = document.createElement('a');
        link.href = address;
        link.download = '';
        link.click();
        tell(texts.value.snapshot.begun(visibleText(name)));
    } catch (error) {
        tellProblem(error);
    }
}

// A folder is a tar unless a zip is wanted.
export const contentOf = (set: string, snapshot: string, file: string, archive: 'tar' | 'zip' = 'tar'): string =>
    path`/api/v1/sets/${set}/snapshots/${snapshot}/content?path=${file}` + (archive === 'zip' ? '&archive=zip' : '');

// What a path may not have when it is asked for (docs/api.md): such things come with their directory only.
export const isPlainPath = (path: string): boolean => !/[\u0000-\u001f\u007f]/.test(path);
export const canBeAsked = (entry: Entry): boolean => entry.path_b64 === undefined && isPlainPath(entry.path);
