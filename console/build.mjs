// Bundles the console into built/, which is committed: files of the same bytes wherever they are made.
// "node build.mjs tests" bundles the tests of src/ into test-build/ instead.
import { build } from 'esbuild';
import { copyFile, mkdir } from 'node:fs/promises';
import { readdirSync } from 'node:fs';

const common = { bundle: true, target: ['es2022'], charset: 'utf8', logLevel: 'warning', jsx: 'automatic', jsxImportSource: 'preact' };

if (process.argv[2] === 'tests') {
    const names = readdirSync('src', { recursive: true }).filter((name) => name.endsWith('.test.ts'));
    await build({ ...common, entryPoints: names.map((name) => `src/${name}`), outdir: 'test-build', platform: 'browser', external: ['node:*'], format: 'esm',
        outExtension: { '.js': '.mjs' } });
} else {
    await mkdir('built', { recursive: true });
    const script = { ...common, minify: true, format: 'esm', legalComments: 'none' };
    await build({ ...script, entryPoints: ['src/main.tsx'], outfile: 'built/console.js', external: ['/assets/*'],
        banner: { js: '/* holdfast; with preact, @preact/signals, uPlot and uqr (MIT): console/NOTICES.md in the sources */' } });
    // Loaded when somebody asks for YAML, and not before.
    await build({ ...script, entryPoints: ['src/yaml_text.ts'], outfile: 'built/yaml.js',
        banner: { js: '/* holdfast; with yaml (ISC): console/NOTICES.md in the sources */' } });
    await build({ ...common, entryPoints: ['src/styles.css'], outfile: 'built/console.css', minify: true });
    for (const name of ['console.html', 'console.svg']) await copyFile(`src/${name}`, `built/${name}`);
}
