// Bundles the console into built/, which is committed: three files of the same bytes wherever they are made.
// "node build.mjs tests" bundles the tests of src/ into test-build/ instead.
import { build } from 'esbuild';
import { copyFile, mkdir } from 'node:fs/promises';
import { readdirSync } from 'node:fs';

const common = { bundle: true, target: ['es2022'], charset: 'utf8', logLevel: 'warning', jsx: 'automatic', jsxImportSource: 'preact' };

if (process.argv[2] === 'tests') {
    const names = readdirSync('src', { recursive: true }).filter((name) => name.endsWith('.test.ts'));
    await build({ ...common, entryPoints: names.map((name) => `src/${name}`), outdir: 'test-build', platform: 'node', format: 'esm',
        outExtension: { '.js': '.mjs' } });
} else {
    await mkdir('built', { recursive: true });
    await build({ ...common, entryPoints: ['src/main.tsx'], outfile: 'built/console.js', minify: true, format: 'esm', legalComments: 'none',
        banner: { js: '/* holdfast; with preact, @preact/signals, uPlot and uqr (MIT): console/NOTICES.md in the sources */' } });
    await build({ ...common, entryPoints: ['src/styles.css'], outfile: 'built/console.css', minify: true });
    for (const name of ['console.html', 'console.svg']) await copyFile(`src/${name}`, `built/${name}`);
}
